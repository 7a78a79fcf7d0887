#!/usr/bin/env bats
# objects.bats: volume, volumes, network and inspect

load lib

@test "volume: create, ls, inspect, rm; a file's external volume" {
	is own gantry volume create own --label a=1 --label b
	is own gantry volume create own
	is other gantry volume create --label a=2 other
	[[ $(gantry volume create) =~ ^[0-9a-f]{64}$ ]]
	is "DRIVER VOLUME NAME local other local own" bash -c "gantry volume ls -f name=o | grep -v '[0-9a-f]\{64\}' | xargs"
	is own gantry volume ls -q -f label=a=1 -f label=b
	is $'other\nown' gantry volume ls -q --filter label=a
	is "own local a=1,b=" gantry volume ls -f label=b --format '{{.Name}} {{.Driver}} {{.Labels}}'
	is "$GANTRY_ROOT/volumes/own/data" gantry volume inspect -f '{{.Mountpoint}}' own
	[ "$(gantry volume inspect own other | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d[0]["Labels"]["a"], d[1]["Name"], d[1]["Options"], d[0]["Scope"])')" = "1 other None local" ]
	project ext <<-'Y'
	services: {a: {image: "tiny:1", volumes: ["vv:/v"], stop_signal: SIGKILL}}
	volumes: {vv: {external: true, name: made}}
	Y
	no 1 "gantry volume create made" up -d
	gantry volume create made
	gantry up -d
	gantry exec -T a sh -c 'echo kept >/v/x'
	no 1 "in use by container ext-a-1" volume rm made
	gantry down -v
	[ "$(cat "$GANTRY_ROOT/volumes/made/data/x")" = kept ]
	is made gantry volume rm made
	[ ! -e "$GANTRY_ROOT/volumes/made" ]
	no 1 "no such volume" volume rm made
	is made gantry volume rm -f made
	no 1 "no such volume" volume inspect made
}

@test "volume: options that mount, what is refused, prune" {
	mkdir -p "$T/here"; echo there >"$T/here/x"
	gantry volume create -o type=none -o o=bind -o device="$T/here" bound
	project opt <<-'Y'
	services: {a: {image: "tiny:1", volumes: ["vv:/v", "/anon"], stop_signal: SIGKILL}}
	volumes: {vv: {external: true, name: bound}}
	Y
	gantry up -d
	is there gantry exec -T a cat /v/x
	no 1 "no volume driver 'nfs'" volume create -d nfs x1
	no 1 "includes invalid characters" volume create ../x
	no 1 "expected KEY=VALUE" volume create -o type x1
	no 1 "invalid filter 'colour=red'" volume ls -f colour=red
	no 1 "invalid filter 'colour=red'" volume ls -f label=none -f colour=red
	no 1 "--filter dangling" volume ls -f dangling=perhaps
	gantry volume create loose; gantry volume create >/dev/null
	is 2 sh -c 'gantry volume ls -qf dangling=false | wc -l'
	run sh -c 'echo n | gantry volume prune'
	[ "$status" = 0 ] && [ "$(gantry volume ls -qf dangling=true | wc -l)" = 2 ]
	head -c 5000 /dev/zero >"$GANTRY_ROOT/volumes/loose/data/five"
	run gantry volume prune -f
	[[ $output == *"Deleted Volumes:"* && $output == *"Total reclaimed space: 0B" && $output != *loose* ]]
	run gantry volume prune -a --dry-run
	[[ $output == *loose* ]]
	run gantry volume prune -af
	[[ $output == *loose* && $output == *"Total reclaimed space: 5kB" && $output != *bound* ]]
	is there gantry exec -T a cat /v/x
	gantry down -v
	gantry volume rm bound
	[ "$(cat "$T/here/x")" = there ]
}

@test "volumes: those of the project, of a service" {
	project vols <<-'Y'
	services:
	  a: {image: "tiny:1", volumes: ["one:/v"], stop_signal: SIGKILL}
	  b: {image: "tiny:1", volumes: ["two:/v"], stop_signal: SIGKILL}
	volumes: {one: {labels: {x: y}}, two: {}}
	Y
	gantry volume create elsewhere
	gantry up -d
	is "DRIVER VOLUME NAME local vols_one local vols_two" sh -c 'gantry volumes | xargs'
	is vols_two gantry volumes -q b
	is "vols_one local local" sh -c "gantry volumes --format json a | python3 -c 'import json,sys; d=json.loads(sys.stdin.read()); print(d[\"Name\"], d[\"Driver\"], d[\"Scope\"])'"
	no 1 "no such service: c" volumes c
	gantry down -v
	is "DRIVER VOLUME NAME" sh -c 'gantry volumes | xargs'
}

@test "network: create, ls, inspect, rm, prune; a file's external network" {
	project nets <<-'Y'
	services: {a: {image: "tiny:1", networks: {n: {ipv4_address: 10.213.77.9}}, stop_signal: SIGKILL}}
	networks: {n: {external: true, name: shared}}
	Y
	no 1 "gantry network create shared" up -d
	run gantry network create --subnet 10.213.77.0/24 --gateway 10.213.77.1 --ip-range 10.213.77.128/25 --aux-address router=10.213.77.200 \
		--label who=me -o com.docker.network.bridge.enable_icc=true shared
	[ "$status" = 0 ] && [[ $output =~ ^[0-9a-f]{64}$ ]]
	local id=$output
	no 1 "network with name shared already exists" network create shared
	gantry up -d
	is "10.213.77.9/24 nets-a-1" sh -c "gantry network inspect shared | python3 -c '
import json,sys
n=json.load(sys.stdin)[0]
c=list(n[\"Containers\"].values())[0]
assert n[\"Id\"]==\"$id\" and n[\"Driver\"]==\"bridge\" and n[\"Labels\"]=={\"who\":\"me\"} and not n[\"Internal\"], n
assert n[\"IPAM\"][\"Config\"]==[{\"Subnet\":\"10.213.77.0/24\",\"IPRange\":\"10.213.77.128/25\",\"Gateway\":\"10.213.77.1\",\"AuxiliaryAddresses\":{\"router\":\"10.213.77.200\"}}], n
print(c[\"IPv4Address\"], c[\"Name\"])'"
	is "${id:0:12} shared bridge local" sh -c 'gantry network ls | sed 1d | xargs'
	is "NETWORK ID NAME DRIVER SCOPE" sh -c 'gantry network ls -f name=none | xargs'
	is "$id" gantry network ls -q --no-trunc -f label=who=me
	is shared gantry network inspect -f '{{.Name}}' "${id:0:8}"
	no 1 "in use by 'nets/a'" network rm shared
	run gantry network prune -f
	[ "$status" = 0 ] && [ -z "$output" ]
	gantry down
	gantry network create --internal --ipv6 inner >/dev/null
	is "true true" gantry network inspect -f '{{.Internal}} {{.EnableIPv6}}' inner
	is shared gantry network rm shared
	is "Deleted Networks: inner" sh -c 'gantry network prune -f | xargs'
	no 1 "network inner not found" network rm inner
	is "" gantry network rm -f inner
}

@test "network: what is refused" {
	no 1 "10.213.78.0/24" network create --subnet 10.213.78.7/24 x
	no 1 "no matching subnet" network create --subnet 10.213.78.0/24 --gateway 10.9.9.9 x
	no 1 "needs a --subnet" network create --gateway 10.9.9.9 x
	no 1 "expected NAME=ADDRESS" network create --subnet 10.213.78.0/24 --aux-address 10.213.78.9 x
	no 1 "network driver 'overlay'" network create -d overlay x
	no 1 "only one instance" network create -d host x
	no 1 "not a name for a network" network create ../x
	no 1 "--ipam-driver" network create --ipam-driver dhcp x
	no 1 "exactly 1 argument" network create
	no 1 "invalid filter 'colour=red'" network ls -f colour=red
	is "" sh -c 'gantry network ls -q'
}

@test "inspect: containers, images, networks, volumes" {
	project insp <<-'Y'
	services: {a: {image: "tiny:1", environment: {K: v}, hostname: hh, volumes: ["vv:/v"], stop_signal: SIGKILL}}
	volumes: {vv: {}}
	Y
	gantry up -d
	is "/insp-a-1 running true $(pid a) hh" gantry inspect -f '{{.Name}} {{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.Config.Hostname}}' insp-a-1
	id=$(gantry ps -q --no-trunc a)
	is insp_default gantry inspect -f '{{.Name}}' insp_default
	is insp_vv gantry inspect -f '{{.Name}}' --type volume insp_vv
	is "$id" gantry inspect -f '{{.Id}}' "${id:0:10}"
	gantry inspect tiny:1 insp-a-1 | python3 -c '
import json,sys
i,c=json.load(sys.stdin)
assert "tiny:1" in i["RepoTags"] and c["Image"]==i["Id"], (i["RepoTags"], c["Image"], i["Id"])
assert "K=v" in c["Config"]["Env"] and c["Path"] and c["Mounts"][0]["Name"]=="insp_vv" and c["HostConfig"]["NetworkMode"], c
assert c["NetworkSettings"]["Networks"]["insp_default"]["IPAddress"], c["NetworkSettings"]'
	no 1 "no such object: nope" inspect nope
	run gantry inspect nope insp_vv
	[ "$status" = 1 ] && [[ $output == *'"Name": "insp_vv"'* || $output == *'"Name":"insp_vv"'* ]]
	no 1 "no such volume: insp-a-1" inspect --type volume insp-a-1
	no 1 "invalid value" inspect --type thing x
	no 1 "is not understood" inspect -f '{{range .X}}' insp-a-1
}

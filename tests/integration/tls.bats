#!/usr/bin/env bats
# TLS: what is not trusted is not spoken to, in none of these cases by plain HTTP either; client certificates.
load lib
load registries

# tls NAME [LINE]: a registry on $NAME_PORT with $T/reg/NAME.crt and .key
tls() {
	local port
	port=$(port)
	printf -v "$1_PORT" %s "$port"
	serve "$1" "version: 0.1
storage: {filesystem: {rootdirectory: $T/reg/data-$1}}
http: {addr: 127.0.0.1:$port, secret: x, tls: {certificate: $T/reg/$1.crt, key: $T/reg/$1.key${2:-}}}"
	soon bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
}
# cert NAME SAN [DAYS]: signed by $T/reg/ca
cert() {
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$T/reg/$1.key" -out "$T/reg/$1.csr" 2>/dev/null
	openssl x509 -req -in "$T/reg/$1.csr" -CA "$T/reg/ca.crt" -CAkey "$T/reg/ca.key" -CAcreateserial -days "${3:-2}" -out "$T/reg/$1.crt" \
		-extfile <(printf 'subjectAltName=%s' "$2") 2>/dev/null
}
trust() { mkdir -p "$GANTRY_CERTS_DIR/127.0.0.1:$1"; cp "$T/reg/ca.crt" "$GANTRY_CERTS_DIR/127.0.0.1:$1/ca.crt"; }

eval "three_$(declare -f setup_file)"
setup_file() {
	three_setup_file
	export GANTRY_CERTS_DIR=$T/certs.d
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout "$T/reg/ca.key" -out "$T/reg/ca.crt" 2>/dev/null
}

@test "a certificate for another host, and one that has ended, are refused; a good one of the same authority is not" {
	cert good IP:127.0.0.1
	cert other DNS:other.example
	cert old IP:127.0.0.1 -1
	for n in good other old; do
		tls $n
		port=${n}_PORT
		trust "${!port}"
	done
	skopeo copy -q --dest-tls-verify=false "oci:$T/small:latest" "docker://127.0.0.1:$good_PORT/team/small:1" --all
	gantry image pull -q "127.0.0.1:$good_PORT/team/small:1"
	fresh "127.0.0.1:$good_PORT/team/small:1"
	run gantry image pull -q "127.0.0.1:$other_PORT/team/small:1"
	[ "$status" = 1 ]
	[[ $output == *"TLS: the certificate of '127.0.0.1' is not trusted (SSL: no alternative certificate subject name matches"* ]]
	run gantry image pull -q "127.0.0.1:$old_PORT/team/small:1"
	[ "$status" = 1 ]
	[[ $output == *"TLS: the certificate of '127.0.0.1' is not trusted"*"certificate has expired"* ]]
	run gantry login -u alice --password-stdin "127.0.0.1:$old_PORT" <<<secret
	[ "$status" = 1 ]
	[[ $output == *"certificate has expired"* ]]
	[ ! -e "$DOCKER_CONFIG/config.json" ]
}

@test "a registry that wants a client certificate gets the one of its folder" {
	cert mutual IP:127.0.0.1
	cert client DNS:client
	tls mutual ", clientcas: [$T/reg/ca.crt]"
	trust "$mutual_PORT"
	run gantry image pull -q "127.0.0.1:$mutual_PORT/team/small:1"
	[ "$status" = 1 ]
	[[ $output == *"127.0.0.1"*"certificate"* ]]
	cp "$T/reg/client.crt" "$GANTRY_CERTS_DIR/127.0.0.1:$mutual_PORT/me.cert"
	cp "$T/reg/client.key" "$GANTRY_CERTS_DIR/127.0.0.1:$mutual_PORT/me.key"
	gantry image tag tiny:1 "127.0.0.1:$mutual_PORT/team/tiny:1"
	gantry image push -q "127.0.0.1:$mutual_PORT/team/tiny:1"
	fresh "127.0.0.1:$mutual_PORT/team/tiny:1"
	gantry image pull -q "127.0.0.1:$mutual_PORT/team/tiny:1"
	fresh "127.0.0.1:$mutual_PORT/team/tiny:1"
	# the same by hosts.toml, in a folder whose name has no colon
	rm -r "$GANTRY_CERTS_DIR/127.0.0.1:$mutual_PORT"
	mkdir -p "$GANTRY_CERTS_DIR/127.0.0.1_${mutual_PORT}_"
	printf 'ca = "%s"\nclient = [["%s", "%s"]]\n' "$T/reg/ca.crt" "$T/reg/client.crt" "$T/reg/client.key" >"$GANTRY_CERTS_DIR/127.0.0.1_${mutual_PORT}_/hosts.toml"
	gantry image pull -q "127.0.0.1:$mutual_PORT/team/tiny:1"
	fresh "127.0.0.1:$mutual_PORT/team/tiny:1"
}

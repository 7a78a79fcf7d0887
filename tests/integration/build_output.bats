#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# image build --output: the result as a folder, an archive of files, an archive of the image.

load lib

setup() {
	mkdir -p "$T/c" && cd "$T/c" && rm -rf -- * ../out
	printf 'FROM tiny:1 AS make\nRUN mkdir -p /w/d && echo one >/w/d/a && ln -s a /w/d/l && chmod 750 /w/d && chown 1000:44 /w/d/a && touch -d @1000000000 /w/d/a\n' >Dockerfile
	printf 'RUN echo gone >/w/gone && rm /w/gone\nFROM scratch\nCOPY --from=make /w /\nCOPY Dockerfile /\nENV A=b\n' >>Dockerfile
}

@test "a folder: the files, whose they are is who builds; what is there stays or is replaced" {
	mkdir -p ../out/d && echo old >../out/d/a && echo mine >../out/mine
	gantry image ls -aq | sort >"$T/before"
	gantry image build -t out:1 -o ../out . 2>/dev/null
	[ "$(cd ../out && find . | sort | xargs)" = ". ./Dockerfile ./d ./d/a ./d/l ./mine" ]
	[ "$(cat ../out/d/a ../out/mine)" = "one
mine" ]
	[ "$(stat -c %a:%u:%g ../out/d ../out/d/a)" = "750:0:0
644:0:0" ]
	[ "$(stat -c %Y ../out/d/a)" = 1000000000 ]
	[ "$(readlink ../out/d/l)" = a ]
	# nothing of it is in the store
	gantry image ls -aq | sort | diff "$T/before" -
	run gantry image inspect out:1
	[ "$status" -ne 0 ]
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
}

@test "an archive of the files, on standard output and in a file" {
	gantry image build -q -o - . 2>/dev/null | tar -tv --numeric-owner | awk '{print $1, $2, $6}' | sort >list
	grep -qx -- '-rw-r--r-- 1000/44 d/a' list
	grep -qx -- 'drwxr-x--- 0/0 d/' list
	gantry image build -q -o type=tar,dest=../out . 2>/dev/null
	[ "$(tar -xOf ../out d/a)" = one ]
}

@test "an archive of the image is loaded elsewhere under its names" {
	gantry image build -q -t kept:2 --output type=docker,dest=../out . >/dev/null 2>&1
	local id; id=$(id_of kept:2)
	gantry image rm kept:2 >/dev/null
	gantry image load -qi ../out >/dev/null
	[ "$(id_of kept:2)" = "$id" ]
	[ "$(gantry image inspect -f '{{json .Config.Env}}' kept:2 | grep -c A=b)" = 1 ]
	rm ../out && gantry image rm kept:2 >/dev/null
	gantry image build -q -o type=oci,dest=../out . >/dev/null 2>&1
	tar -tf ../out | grep -qx index.json
}

@test "several at once, names in the type, and the store besides" {
	gantry image build -q -o ../out -o '"type=image","name=a:1,b:1"' . >/dev/null 2>&1
	[ "$(id_of a:1)" = "$(id_of b:1)" ]
	[ "$(cat ../out/d/a)" = one ]
	gantry image rm a:1 b:1 >/dev/null
	gantry image build -q --load -t c:1 -o ../out . >/dev/null 2>&1
	id_of c:1
	gantry image build -q -o type=cacheonly . 2>/dev/null
	id_of c:1 # it was there before
	gantry image rm c:1 >/dev/null
}

@test "what cannot be meant, and what cannot be written" {
	no 1 "there is no type 'tarr'" image build -o type=tarr .
	no 1 "files need a folder" image build -o type=local .
	no 1 "unexpected key 'compress'" image build -o type=tar,compress=1 .
	no 1 "use 'image push' after the build" image build -o type=registry .
	no 1 "use 'image push' after the build" image build -o type=image,push=true .
	echo >../out
	no 1 "write what was built" image build -o ../out .
	no 1 "write what was built" image build -o type=tar,dest=/nowhere/x .
	rm ../out
	[ -z "$(ls "$GANTRY_ROOT/images/tmp")" ]
}

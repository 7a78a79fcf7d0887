#!/usr/bin/env bats
# What others make is read here, and what is made here is read by others: skopeo and umoci.
load lib
load registries

eval "three_$(declare -f setup_file)"
setup_file() {
	command -v umoci >/dev/null || skip "needs umoci"
	three_setup_file
}


@test "an image of umoci, in OCI and docker's schema 2, gzip and zstd, is pulled and runs" {
	umoci init --layout "$T/u"
	umoci new --image "$T/u:1"
	umoci unpack --image "$T/u:1" "$T/bundle"
	cp -a "$T/image/." "$T/bundle/rootfs/"
	mkdir -p "$T/bundle/rootfs/was" && touch "$T/bundle/rootfs/was/file" "$T/bundle/rootfs/gone"
	umoci repack --image "$T/u:1" "$T/bundle"
	rm -rf "$T/bundle" && umoci unpack --image "$T/u:1" "$T/bundle"
	rm -r "$T/bundle/rootfs/gone" "$T/bundle/rootfs/was/file"
	echo new >"$T/bundle/rootfs/etc/new"
	umoci repack --image "$T/u:1" "$T/bundle"
	umoci config --image "$T/u:1" --config.cmd sh --config.cmd -c --config.cmd 'exec 2>&1; ls /gone /was; cat /etc/new; echo $WHO' --config.env WHO=umoci --config.env PATH=/bin
	for how in "--format oci" "--format v2s2" "--format oci --dest-compress-format zstd"; do
		# shellcheck disable=SC2086
		skopeo copy -q $how --dest-tls-verify=false "oci:$T/u:1" "docker://127.0.0.1:$OPEN/umoci/x:1"
		gantry image pull -q "127.0.0.1:$OPEN/umoci/x:1"
		project runs <<<"{services: {x: {image: '127.0.0.1:$OPEN/umoci/x:1'}}}"
		run gantry run --rm -T x
		[[ $output == *"ls: /gone: No such file"*new*umoci* ]]
		gantry down -t 0
		fresh "127.0.0.1:$OPEN/umoci/x:1"
	done
}

@test "what is built here and pushed: skopeo copies it, umoci unpacks the same files" {
	project built <<-YAML
		services:
		  web:
		    image: 127.0.0.1:$OPEN/built/web:1
		    build: {dockerfile_inline: "FROM tiny:1\nRUN echo one >/one && mkdir -p /d && touch /d/a /d/b && chown 1000:44 /d/a && chmod 4755 /d/b\nRUN rm /d/a && ln /one /two && ln -s one /three\nLABEL a=b"}
	YAML
	gantry build -q
	gantry push -q
	skopeo inspect --tls-verify=false "docker://127.0.0.1:$OPEN/built/web:1" >"$T/seen"
	grep -q '"a": "b"' "$T/seen"
	skopeo copy -q --src-tls-verify=false "docker://127.0.0.1:$OPEN/built/web:1" "oci:$T/web:1"
	umoci unpack --image "$T/web:1" "$T/theirs"
	[ ! -e "$T/theirs/rootfs/d/a" ]
	[ "$(stat -c %a "$T/theirs/rootfs/d/b")" = 4755 ]
	[ "$(stat -c %i "$T/theirs/rootfs/one")" = "$(stat -c %i "$T/theirs/rootfs/two")" ]
	[ "$(readlink "$T/theirs/rootfs/three")" = one ]
	digest=$(skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$OPEN/built/web:1" | sha256sum | cut -d' ' -f1)
	fresh "127.0.0.1:$OPEN/built/web:1"
	gantry image pull -q "127.0.0.1:$OPEN/built/web@sha256:$digest"
	skopeo copy -q --format v2s2 --src-tls-verify=false --dest-tls-verify=false "docker://127.0.0.1:$OPEN/built/web:1" "docker://127.0.0.1:$OPEN/built/docker:1"
	gantry image pull -q "127.0.0.1:$OPEN/built/docker:1"
	fresh "127.0.0.1:$OPEN/built/docker:1" "127.0.0.1:$OPEN/built/web@sha256:$digest"
}

@test "what was pulled is pushed elsewhere with the same digest, in every form" {
	for form in oci v2s2; do
		skopeo copy -q --format $form --dest-tls-verify=false "oci:$T/small:latest" "docker://127.0.0.1:$OPEN/form/$form:1"
		gantry image pull -q "127.0.0.1:$OPEN/form/$form:1"
		gantry image tag "127.0.0.1:$OPEN/form/$form:1" "127.0.0.1:$OPEN/form/again-$form:1"
		gantry image push -q "127.0.0.1:$OPEN/form/again-$form:1"
		[ "$(skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$OPEN/form/$form:1" | sha256sum)" = \
			"$(skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$OPEN/form/again-$form:1" | sha256sum)" ]
		fresh "127.0.0.1:$OPEN/form/$form:1" "127.0.0.1:$OPEN/form/again-$form:1"
	done
}

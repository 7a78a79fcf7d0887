# lib.sh: what the benches share; sourced in the project's folder.

median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
# Figures by name, in $T: put NAME VALUE; get NAME: their median, "-" when there is none
put() { echo "$2" >>"$T/fig.$1"; }
get() { [ -s "$T/fig.$1" ] && median <"$T/fig.$1" || echo -; }

# Folders of our own: $T, and $R on a tmpfs, as /run is; gantry of $build uses them.
room() {
	build=${BUILD:-$PWD/build}
	export PATH=$build:$PATH
	T=$(mktemp -d /tmp/gantry-bench.XXXXXX)
	R=$(mktemp -d /dev/shm/gantry-bench.XXXXXX)
	export GANTRY_ROOT=$T/root GANTRY_RUN=$R
}

# busybox_image NAME…: the image busybox, of $T/image, with these programs
busybox_image() {
	local a
	mkdir -p "$T/image"/{bin,proc,sys,dev,tmp,etc}
	cp /bin/busybox "$T/image/bin/busybox"
	for a; do ln -s busybox "$T/image/bin/$a"; done
	gantry image import "$T/image" busybox >/dev/null
}

#!/bin/sh
# Makes configure from configure.ac. Needs autoconf, automake, pkg-config.
cd "$(dirname "$0")" || exit
missing=
command -v autoreconf >/dev/null || missing="$missing autoconf"
command -v aclocal >/dev/null || missing="$missing automake"
[ -e "$(aclocal --print-ac-dir 2>/dev/null)/pkg.m4" ] || command -v pkg-config >/dev/null || missing="$missing pkg-config"
if [ -n "$missing" ]; then
	echo "autogen.sh: this is missing. On Debian:  apt-get install$missing" >&2
	exit 1
fi
exec autoreconf -fi

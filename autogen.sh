#!/bin/sh
# Makes configure from configure.ac. Needs autoconf, automake, pkg-config.
cd "$(dirname "$0")" && exec autoreconf -fi

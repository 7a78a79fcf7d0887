# the programs: one small main each
sbin_PROGRAMS += gantry
gantry_SOURCES = src/gantry.c
gantry_LDADD = libcli.a libplan.a libbuild.a libbuildfile.a libmonitor.a libcontainer.a libvolume.a libimage.a libnet.a libkernel.a libstate.a libcompose.a libbase.a \
	$(YAML_LIBS) $(CJSON_LIBS) $(SQLITE_LIBS) $(NL_LIBS) $(SECCOMP_LIBS) $(MD_LIBS)

pkglibexec_PROGRAMS += gantry-image
gantry_image_SOURCES = src/gantry-image.c
gantry_image_LDADD = libimageio.a libimage.a libbase.a $(IMAGEIO_LIBS) $(CJSON_LIBS) $(MD_LIBS)

# gantry-keep: freestanding (no libc, no start files), so none of the common flags, sanitizers least of all
pkglibexec_PROGRAMS += gantry-keep
gantry_keep_SOURCES = src/gantry-keep.c src/freestanding.h
gantry_keep_CPPFLAGS = -I$(top_srcdir)
gantry_keep_CFLAGS = -std=gnu11 -Wall -Wextra -Os -ffreestanding -fno-builtin -fno-stack-protector -fno-pie -fno-asynchronous-unwind-tables
gantry_keep_LDFLAGS = -nostdlib -static -Wl,--build-id=none -Wl,-z,noseparate-code
gantry_keep_LDADD =

# gantry-init: the same way; `init: true` bind-mounts it into containers
pkglibexec_PROGRAMS += gantry-init
gantry_init_SOURCES = src/gantry-init.c src/freestanding.h
gantry_init_CPPFLAGS = $(gantry_keep_CPPFLAGS)
gantry_init_CFLAGS = $(gantry_keep_CFLAGS)
gantry_init_LDFLAGS = $(gantry_keep_LDFLAGS)
gantry_init_LDADD =

# Host start and stop: a systemd unit and an OpenRC script.
EXTRA_DIST += src/init/gantry.service.in src/init/gantry.openrc.in
CLEANFILES += src/init/gantry.service src/init/gantry.openrc
src/init/gantry.service: src/init/gantry.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) src/init && sed 's|@sbindir[@]|$(sbindir)|g;s|@docdir[@]|$(docdir)|g' $(top_srcdir)/src/init/gantry.service.in >$@
src/init/gantry.openrc: src/init/gantry.openrc.in Makefile
	$(AM_V_GEN)$(MKDIR_P) src/init && sed 's|@sbindir[@]|$(sbindir)|g;s|@docdir[@]|$(docdir)|g' $(top_srcdir)/src/init/gantry.openrc.in >$@
if SYSTEMD_UNIT
systemdsystemunit_DATA = src/init/gantry.service
endif
openrcdir = $(pkgdatadir)
openrc_DATA = src/init/gantry.openrc

# gantry-monitor: one per project for as long as it runs, so what it links is linked statically where there are archives (MONITOR_LIBS)
pkglibexec_PROGRAMS += gantry-monitor
gantry_monitor_SOURCES = src/gantry-monitor.c
gantry_monitor_LDADD = libmonitor.a libcontainer.a libvolume.a libnet.a libimage.a libkernel.a libstate.a libbase.a $(MONITOR_LIBS)
# DNS of a project: libc alone.
pkglibexec_PROGRAMS += gantry-dns
gantry_dns_SOURCES = src/gantry-dns.c
gantry_dns_LDADD = libdns.a libnet.a libbase.a

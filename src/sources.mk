# the programs: one small main each
sbin_PROGRAMS += gantry
gantry_SOURCES = src/gantry.c

# engine/kernel: thin wrappers over what Linux has
noinst_LIBRARIES += libkernel.a
libkernel_a_SOURCES = \
	engine/kernel/caps.c engine/kernel/caps.h engine/kernel/rlimit.c engine/kernel/rlimit.h

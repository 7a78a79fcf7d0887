# compose: files -> project model. Pure: no database, no kernel.
noinst_LIBRARIES += libcompose.a
libcompose_a_SOURCES = \
	compose/node.c compose/node.h compose/yaml.c compose/yaml_scalar.c compose/yaml.h compose/read.c compose/read.h \
	compose/interp.c compose/interp.h compose/dotenv.c compose/dotenv.h compose/reset.c compose/reset.h
libcompose_a_CFLAGS = $(AM_CFLAGS) $(YAML_CFLAGS)

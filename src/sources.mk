# the programs: one small main each
sbin_PROGRAMS += gantry
gantry_SOURCES = src/gantry.c

pkglibexec_PROGRAMS += gantry-image
gantry_image_SOURCES = src/gantry-image.c
gantry_image_LDADD = libimageio.a libimage.a libbase.a $(IMAGEIO_LIBS) $(CJSON_LIBS) $(MD_LIBS)

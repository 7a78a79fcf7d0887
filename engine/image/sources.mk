# files of engine/image

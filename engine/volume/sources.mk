# files of engine/volume

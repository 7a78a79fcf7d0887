# files of engine/kernel

# files of engine/container

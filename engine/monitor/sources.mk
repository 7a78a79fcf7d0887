# files of engine/monitor

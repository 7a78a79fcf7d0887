# files of net

# files of compose

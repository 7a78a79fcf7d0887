# files of src

# files of src/state

# files of tests
TESTS += tests/programs tests/schema tests/fixed_point tests/explained
EXTRA_DIST += tests/programs tests/schema tests/schema_check.py tests/fixed_point tests/fixed_point.py tests/explained tests/explained.py

# Fuzzers (fuzz_programs, in the rooms' lists): with --enable-fuzzing libFuzzer programs, `make fuzzers`; otherwise programs that run
# tests/fuzz/corpus/NAME once, part of `make check`. One of them is
#   fuzz_programs += tests/fuzz/fuzz_x
#   tests_fuzz_fuzz_x_SOURCES = tests/fuzz/fuzz_x.c $(fuzz_main)
#   tests_fuzz_fuzz_x_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
check_PROGRAMS += $(fuzz_programs)
EXTRA_DIST += tests/fuzz/corpus
if FUZZING
fuzz_main =
else
fuzz_main = tests/fuzz/replay.c
TESTS += $(fuzz_programs)
endif
.PHONY: fuzzers
fuzzers: $(fuzz_programs)

# A thin front: everything is done by CMake (see CMakePresets.json) and the scripts in tools/.
SOURCE ?= /usr/share
JOBS ?= $(shell nproc)

.PHONY: all build demo test test-sanitizers fuzz bench package clean

all build:
	@tools/install-deps.sh build
	@cmake --preset release -DHOLDFAST_TESTS=OFF >/dev/null
	@cmake --build build --target holdfast -j $(JOBS)

demo: build
	@tools/install-deps.sh demo
	@tools/demo.sh "$(SOURCE)"

test:
	@tools/install-deps.sh test
	@tools/test.sh

# Longer checks, apart from `make test`: every unit test under ASan, UBSan and TSan; every parser fuzzed.
test-sanitizers:
	@tools/install-deps.sh test
	@tools/test-sanitizers.sh

fuzz:
	@tools/install-deps.sh test
	@tools/fuzz-smoke.sh

bench:
	@tools/install-deps.sh bench
	@bench/run.sh

package: build
	@tools/install-deps.sh package
	@packaging/make-deb.sh

clean:
	rm -rf build build-*

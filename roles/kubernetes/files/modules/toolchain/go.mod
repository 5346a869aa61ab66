// The Go toolchain is a module as well: go.sum names its version and checksum for each kind of processor.
module podnet.local/toolchain

go 1.19

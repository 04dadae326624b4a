#!/bin/sh
# Regenerates internal/enginepb from the contract. Needs Go and a Python with grpcio-tools ($PYTHON, default: the project's).
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-../.venv/bin/python}
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
go build -o "$tools/" google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
PATH="$tools:$PATH" "$python" -m grpc_tools.protoc -I ../proto \
  --go_out=. --go_opt=module=github.com/blazz/blazz/engine-host \
  --go-grpc_out=. --go-grpc_opt=module=github.com/blazz/blazz/engine-host \
  $(cd ../proto && ls blazz/engine/v1/*.proto)

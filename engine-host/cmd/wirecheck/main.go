// Command wirecheck offers the library's own encoding and encryption to the tests: one JSON request a line on standard
// input, one JSON answer a line on standard output. It is built by the tests and never part of the product.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// A request is as large as the media files and nodes that the tests make.
const maxLine = 64 << 20

type request struct {
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args"`
}

// answer holds one of: a result, the library's error, or what it panicked with.
type answer struct {
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
	Panic  string `json:"panic,omitempty"`
}

type operation func(ctx context.Context, args json.RawMessage) (any, error)

func main() {
	ctx := context.Background()
	device, err := newDevice(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	operations := map[string]operation{
		"node.encode":        with(encodeNodes),
		"node.decode":        with(decodeNodes),
		"hkdf":               with(deriveKey),
		"noise.hello":        with(device.noiseHello),
		"noise.finish":       with(device.noiseFinish),
		"media.seal":         with(device.sealMedia),
		"media.open":         with(device.openMedia),
		"signal.bundle":      with(device.bundle),
		"signal.encrypt":     with(device.encrypt),
		"signal.decrypt":     with(device.decrypt),
		"sender_key.encrypt": with(device.encryptGroup),
		"sender_key.decrypt": with(device.decryptGroup),
		"app_state.encode":   with(device.encodePatch),
		"app_state.decode":   with(device.decodePatches),
		"poll.encrypt":       with(device.encryptVote),
		"poll.decrypt":       with(device.decryptVote),
		"poll.remember":      with(device.rememberPoll),
		"signature.verify":   with(verifySignature),
		"signature.sign":     with(signMessage),
	}
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 1<<16), maxLine)
	for lines.Scan() {
		if err = encoder.Encode(perform(ctx, operations, lines.Bytes())); err == nil {
			err = out.Flush()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err = lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// perform never panics: what the library panics with is part of the answer.
func perform(ctx context.Context, operations map[string]operation, line []byte) (a answer) {
	defer func() {
		if value := recover(); value != nil {
			a = answer{Panic: fmt.Sprint(value)}
		}
	}()
	var q request
	if err := json.Unmarshal(line, &q); err != nil {
		return answer{Error: err.Error()}
	}
	run, ok := operations[q.Op]
	if !ok {
		return answer{Error: fmt.Sprintf("unknown operation %q", q.Op)}
	}
	result, err := run(ctx, q.Args)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Result: result}
}

// with turns a function of typed arguments into an operation.
func with[A any](run func(ctx context.Context, args A) (any, error)) operation {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, err
		}
		return run(ctx, args)
	}
}

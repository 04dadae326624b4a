package crash

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

type client struct{ name string }

//go:noinline
func (c *client) handle() { panic("secret " + c.name) }

// TestMain lets the test start itself as a process that crashes.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CRASH_TEST_DIR"); dir != "" {
		recorder, logs, err := Start(dir)
		if err != nil {
			panic(err)
		}
		_, _ = logs.WriteString("a log line\n")
		innocent, guilty := &client{"innocent"}, &client{"guilty"}
		recorder.Session("session-1", unsafe.Pointer(innocent))
		recorder.Session("session-2", unsafe.Pointer(guilty))
		go guilty.handle()
		select {}
	}
	os.Exit(m.Run())
}

func TestACrashNamesItsSessionAndKeepsThePanicsValueOutOfTheLogs(t *testing.T) {
	dir := t.TempDir()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "CRASH_TEST_DIR="+dir)
	output, err := command.CombinedOutput()
	if err == nil {
		t.Fatal("the process did not crash")
	}
	if string(output) != "a log line\n" {
		t.Fatalf("logs hold %q", output)
	}
	s, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Crashed || s.Kind != "panic" || !slices.Equal(s.Sessions, []string{"session-2"}) {
		t.Fatalf("got %+v", s)
	}
	if text := strings.Join(s.Frames, " "); !strings.Contains(text, "(*client).handle") || strings.Contains(text, "0x") || strings.Contains(text, "secret") {
		t.Fatalf("frames %q", s.Frames)
	}
}

func TestAHostThatEndedQuietlyHasNoSummary(t *testing.T) {
	if s, err := Read(t.TempDir()); err != nil || s.Crashed {
		t.Fatalf("%+v %v", s, err)
	}
}

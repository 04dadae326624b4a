package failpoint

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestFailpointsAreRefusedOutsideTestMode(t *testing.T) {
	if _, err := FromEnvironment(environment(map[string]string{"BLAZZ_FAILPOINTS": Handler + "=kill"})); err == nil {
		t.Fatal("accepted")
	}
	if _, err := FromEnvironment(environment(nil)); err != nil {
		t.Fatal(err)
	}
}

func TestUnknownNamesAndActionsAreRefusedAndThoseOfOthersIgnored(t *testing.T) {
	for spec, accepted := range map[string]bool{
		"engine.hadler=kill": false, Handler + "=explode": false, "ingest.before_commit=kill, " + Handler + "=error": true,
	} {
		set, err := FromEnvironment(environment(map[string]string{"BLAZZ_TEST_MODE": "1", "BLAZZ_FAILPOINTS": spec}))
		if (err == nil) != accepted {
			t.Errorf("%s: %v", spec, err)
		}
		if accepted && set.Hit("ingest.before_commit") != nil {
			t.Error("acted for another program")
		}
	}
}

func TestEveryActionIsRecordedBeforeItActs(t *testing.T) {
	for _, action := range []string{"kill", "panic", "hang", "error"} {
		log := filepath.Join(t.TempDir(), "reached")
		set, err := FromEnvironment(environment(map[string]string{
			"BLAZZ_TEST_MODE": "1", "BLAZZ_FAILPOINTS": Handler + "=" + action, "BLAZZ_FAILPOINT_LOG": log,
		}))
		if err != nil {
			t.Fatal(err)
		}
		acted := ""
		set.kill = func() { acted = "kill" }
		set.hang = func() { acted = "hang" }
		func() {
			defer func() {
				if recover() != nil {
					acted = "panic"
				}
			}()
			if err := set.Hit(Handler); errors.Is(err, ErrInjected) && acted == "" {
				acted = "error"
			}
		}()
		if acted != action {
			t.Errorf("%s acted as %q", action, acted)
		}
		if text, _ := os.ReadFile(log); string(text) != Handler+"\n" {
			t.Errorf("%s: log holds %q", action, text)
		}
		if set.Hit(SendAfterAck) != nil {
			t.Error("a failpoint that is not configured acted")
		}
	}
}

func TestANilSetNeverActs(t *testing.T) {
	var set *Set
	if set.Hit(Handler) != nil {
		t.Fatal("acted")
	}
}

package examples

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestMonitoring: alerts and dashboard are well-formed, and ask for metrics that a run
// writes; each metric is on the dashboard.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	run := program(t)
	dir := copied(t, "quickstart")
	block := []byte("heartbeat {\n  textfile = \"rollcall.prom\"\n}\n")
	if err := os.WriteFile(filepath.Join(dir, "heartbeat.hcl"), block, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := run(dir, "apply", "--auto-approve"); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	name := regexp.MustCompile(`\brollcall_[a-z_]+`)
	names := func(path string) (map[string]bool, []byte) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, found := range name.FindAllString(string(text), -1) {
			all[found] = true
		}
		return all, text
	}
	written, _ := names(filepath.Join(dir, "rollcall.prom"))
	alerts, _ := names("monitoring/rollcall.rules.yml")
	shown, dashboard := names("monitoring/grafana-dashboard.json")
	for metric := range written {
		if !shown[metric] {
			t.Errorf("the dashboard lacks %s", metric)
		}
	}
	for _, asked := range []map[string]bool{alerts, shown} {
		for metric := range asked {
			if !written[metric] {
				t.Errorf("no run writes %s", metric)
			}
		}
	}
	if len(written) < 13 || len(alerts) < 7 {
		t.Errorf("%d metrics, %d of them in alerts", len(written), len(alerts))
	}
	if !json.Valid(dashboard) {
		t.Error("the dashboard is no JSON")
	}
	rules := `import sys, yaml
for rule in yaml.safe_load(open(sys.argv[1]))["groups"][0]["rules"]:
    assert rule["alert"] and rule["expr"] and rule["annotations"]["summary"], rule`
	if out, err := exec.Command("python3", "-c", rules, "monitoring/rollcall.rules.yml").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

//go:build !windows

package examples

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// team is a repository whose configuration has its state in a database.
type team struct {
	t      *testing.T
	origin string
	url    string // of the database, as who may do anything
	reader string // as who reads
}

// newTeam makes the repository of the quickstart with the state in a database, and moves
// its state there.
func newTeam(t *testing.T, server *servertest.SQL, name string) *team {
	t.Helper()
	base, db := server.Database(t)
	c := &team{t: t, origin: t.TempDir(), url: server.URL(servertest.Superuser, servertest.Password, base), reader: server.URL(name, servertest.Password, base)}
	mail := filepath.Join(c.origin, "mail")
	if err := os.CopyFS(mail, os.DirFS("quickstart")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mail, "state.hcl"), []byte(read(t, "team/state.hcl")), 0o600); err != nil {
		t.Fatal(err)
	}
	admin := c.machine(nil)
	admin.runs("mail/..", "rollcall -C mail state setup --auto-approve >/dev/null\nrollcall -C mail state migrate --auto-approve", c.origin)
	for _, statement := range []string{"CREATE ROLE " + name + " LOGIN PASSWORD '" + servertest.Password + "'", "GRANT USAGE ON SCHEMA rollcall TO " + name, "GRANT SELECT ON ALL TABLES IN SCHEMA rollcall TO " + name} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, kept := range []string{"rollcall.state.jsonl", "rollcall.state.jsonl.lock"} {
		os.Remove(filepath.Join(mail, kept))
	}
	if err := os.WriteFile(filepath.Join(c.origin, ".gitignore"), []byte("mail/*.state.jsonl\nmail/*.state.cache/\nmail/*.state.history/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	admin.runs("", "git init --quiet --initial-branch main\ngit add --all\ngit commit --quiet --message begin", c.origin)
	return c
}

// machine is one that has what CI gives it, and nothing of others.
type machine struct {
	t    *testing.T
	env  []string
	path string // a file with more folders of programs, as GitHub has it
}

// machine makes one; what is in env is what its job has.
func (c *team) machine(env map[string]string) *machine {
	c.t.Helper()
	home, bin := c.t.TempDir(), c.t.TempDir()
	// curl fetches the program, and Debian's packages are there.
	curl := "#!/bin/sh\nfor last; do :; done\ntest \"$last\" = https://example.com/rollcall || exit 22\nwhile test \"$1\" != --output; do shift; done\ncp \"" + built(c.t, "rollcall") + "\" \"$2\"\n"
	for name, text := range map[string]string{"curl": curl, "apt-get": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o700); err != nil {
			c.t.Fatal(err)
		}
	}
	m := &machine{t: c.t, path: filepath.Join(home, "path")}
	m.env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + c.t.TempDir(), "LC_ALL=C", "GITHUB_PATH=" + m.path,
		"ROLLCALL_REDACT_KEY=a key for the test", "GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
	}
	if env == nil { // an admin, who has installed it
		if err := os.Symlink(built(c.t, "rollcall"), filepath.Join(bin, "rollcall")); err != nil {
			c.t.Fatal(err)
		}
		env = map[string]string{"ROLLCALL_STATE_URL": c.url}
	}
	for name, value := range env {
		m.env = append(m.env, name+"="+value)
	}
	return m
}

// shell runs a script as CI does, which stops at the first command that fails.
func (m *machine) shell(script, dir string) (string, error) {
	more, _ := os.ReadFile(m.path)
	env := slices.Clone(m.env)
	for line := range strings.Lines(string(more)) {
		for i, variable := range env {
			if rest, is := strings.CutPrefix(variable, "PATH="); is {
				env[i] = "PATH=" + strings.TrimSpace(line) + ":" + rest
			}
		}
	}
	cmd := exec.Command("/bin/sh", "-e", "-c", script)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m *machine) runs(what, script, dir string) string {
	m.t.Helper()
	out, err := m.shell(script, dir)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s\n%s", what, err, script, out)
	}
	return out
}

// clone checks out a branch of the repository, as a machine that has nothing yet.
func (c *team) clone(m *machine, branch string) string {
	c.t.Helper()
	dir := filepath.Join(c.t.TempDir(), "clone")
	m.runs("clone", "git clone --quiet --branch "+branch+" '"+c.origin+"' '"+dir+"'", "/")
	return dir
}

// job is what a file of CI says that a job runs, and the names of the variables that it
// has, with the secrets that they come from.
type job struct {
	Scripts []string
	Env     map[string]string
}

// jobs reads a file of CI.
func jobs(t *testing.T, path string) (all map[string]job) {
	t.Helper()
	// Debian's own python, whose packages apt-get installs.
	const reader = `import json, sys, yaml
f = yaml.safe_load(open(sys.argv[1]))
out = {}
if "jobs" in f:
    for name, j in f["jobs"].items():
        steps = [s for s in j["steps"] if "run" in s]
        env = dict(f.get("env", {}))
        for s in steps: env.update(s.get("env", {}))
        out[name] = {"Scripts": [s["run"] for s in steps], "Env": env}
else:
    for name, j in f.items():
        if name == "default": continue
        out[name] = {"Scripts": ["\n".join(f["default"]["before_script"] + j["script"])], "Env": dict(j.get("variables", {}))}
print(json.dumps(out))`
	text, err := exec.Command(servertest.Need(t, "/usr/bin/python3", "python3-yaml"), "-c", reader, path).Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTeam: what the files of CI run, on a machine each: a plan on a request by a login
// that reads, an apply from the main branch by another one, and an admin and a cron
// host who find what they have left.
func TestTeam(t *testing.T) {
	for _, needed := range []string{"git", "sha256sum"} {
		servertest.Need(t, needed, needed)
	}
	sum, err := exec.Command("sha256sum", built(t, "rollcall")).Output()
	if err != nil {
		t.Fatal(err)
	}
	server := servertest.NewPostgres(t)
	for _, ci := range []struct{ file, summary, login string }{{"github.yml", "summary.md", "reads"}, {"gitlab-ci.yml", "plan.md", "looks"}} {
		t.Run(ci.file, func(t *testing.T) {
			c := newTeam(t, server, ci.login)
			secrets := map[string]string{
				"${{ vars.ROLLCALL_URL }}": "https://example.com/rollcall", "${{ vars.ROLLCALL_SHA256 }}": strings.Fields(string(sum))[0],
				"${{ secrets.ROLLCALL_READER_URL }}": c.reader, "$ROLLCALL_READER_URL": c.reader,
				"${{ secrets.ROLLCALL_STATE_URL }}": c.url, "${{ secrets.ROLLCALL_REDACT_KEY }}": "a key for the test",
			}
			start := func(name string, protected bool) (*machine, job) {
				j, is := jobs(t, filepath.Join("team", ci.file))[name]
				if !is {
					t.Fatalf("there is no job %s", name)
				}
				env := map[string]string{"ROLLCALL_URL": "https://example.com/rollcall", "ROLLCALL_SHA256": strings.Fields(string(sum))[0]}
				if protected {
					env["ROLLCALL_STATE_URL"] = c.url
				}
				for variable, from := range j.Env {
					value, is := secrets[from]
					if !is {
						t.Fatalf("%s: nobody has %s", variable, from)
					}
					env[variable] = value
				}
				m := c.machine(env)
				m.env = append(m.env, "GITHUB_STEP_SUMMARY="+filepath.Join(t.TempDir(), ci.summary))
				return m, j
			}
			summary := func(m *machine, dir string) string {
				path := filepath.Join(dir, ci.summary)
				for _, variable := range m.env {
					if given, is := strings.CutPrefix(variable, "GITHUB_STEP_SUMMARY="); is && ci.file == "github.yml" {
						path = given
					}
				}
				return read(t, path)
			}

			// A change of the configuration.
			author := c.machine(nil)
			work := c.clone(author, "main")
			author.runs("propose", "git switch --quiet --create change\nsed -i.old 's/display_name = 64/display_name = 300/' mail/rollcall.hcl\nrm mail/rollcall.hcl.old\ngit commit --quiet --all --message change\ngit push --quiet origin change", work)
			planner, plan := start("plan", false)
			dir := c.clone(planner, "change")
			for _, script := range plan.Scripts {
				planner.runs("plan", script, dir)
			}
			if text := summary(planner, dir); !strings.Contains(text, "attribute_change") || strings.Contains(text, "wei.zhang") {
				t.Errorf("the plan of the request:\n%s", text)
			}
			if out, err := planner.shell("\"$HOME/bin/rollcall\" -C mail apply --auto-approve", dir); err == nil || !strings.Contains(out, "permission denied") {
				t.Errorf("who reads can apply: %v\n%s", err, out)
			}

			// It is merged.
			author.runs("merge", "git switch --quiet main\ngit merge --quiet change\ngit push --quiet origin main:incoming", work)
			author.runs("merge", "git merge --quiet incoming", c.origin)
			applier, apply := start("apply", true)
			dir = c.clone(applier, "main")
			for i, script := range apply.Scripts {
				out, err := applier.shell(script, dir)
				if last := i == len(apply.Scripts)-1; last && (err == nil || !strings.Contains(out, "--max-risk is medium")) {
					t.Errorf("the plan has a high risk, and the apply ended with %v:\n%s", err, out)
				} else if !last && err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			// Somebody looks at it and applies it, and from then on there is nothing to do.
			author.runs("apply", "rollcall -C mail apply --auto-approve", c.clone(author, "main"))
			cron, again := start("apply", true)
			dir = c.clone(cron, "main")
			for _, script := range again.Scripts {
				cron.runs("apply", script, dir)
			}
			out := cron.runs("plan", "PATH=\"$HOME/bin:$PATH\"\nrollcall -C mail plan\nrollcall -C mail history", dir)
			if !strings.Contains(out, "no changes") || strings.Count(out, "applied") != 1 {
				t.Errorf("in the end:\n%s", out)
			}
		})
	}
}

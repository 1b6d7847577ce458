//go:build !windows

package examples

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// proposal is a git repository with a change on top of its branch main.
type proposal struct {
	t   *testing.T
	dir string
	bin string // where rollcall and gh are
	env []string
}

// propose makes the repository of the quickstart, in the folder mail, with its
// directories as the snapshot.
func propose(t *testing.T) *proposal {
	for _, needed := range []string{"git", "curl", "jq", "tar"} {
		servertest.Need(t, needed, needed)
	}
	p := &proposal{t: t, dir: t.TempDir(), bin: t.TempDir()}
	home := t.TempDir()
	p.env = []string{
		"PATH=" + p.bin + ":" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + t.TempDir(), "LC_ALL=C",
		"ROLLCALL_CONFIG=mail", "ROLLCALL_SNAPSHOT=mail", "ROLLCALL_REDACT_KEY=a key for the test",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
	}
	if err := os.Symlink(built(t, "rollcall"), filepath.Join(p.bin, "rollcall")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(p.dir, "mail"), os.DirFS("quickstart")); err != nil {
		t.Fatal(err)
	}
	p.git("init", "--quiet", "--initial-branch", "main")
	p.commit()
	p.change("quickstart.rollcall-test.hcl", "rejections = 22", "rejections = 21")
	p.change("rollcall.hcl", "display_name = 64", "display_name = 300")
	return p
}

func (p *proposal) git(args ...string) {
	p.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func (p *proposal) commit() {
	p.t.Helper()
	p.git("add", "--all")
	p.git("commit", "--quiet", "--message", "a change")
}

// change replaces a text of a file, in a commit of its own.
func (p *proposal) change(file, from, to string) {
	p.t.Helper()
	path := filepath.Join(p.dir, "mail", file)
	text := read(p.t, path)
	if !strings.Contains(text, from) {
		p.t.Fatalf("%s has no %q", file, from)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(text, from, to, 1)), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.commit()
}

// check runs rollcall-check on top of a commit, with more environment.
func (p *proposal) check(base string, env ...string) (out string, code int) {
	p.t.Helper()
	script, err := filepath.Abs("pull-request/rollcall-check")
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", script, base)
	cmd.Dir, cmd.Env = p.dir, append(p.env, env...)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// fakeGH makes what stands in for gh: it keeps the comment of the bot, and the
// calls.
func (p *proposal) fakeGH() {
	p.t.Helper()
	gh := `#!/bin/sh
printf '%s\n' "$*" >>"$GH_CALLS"
case "$*" in
*--paginate*) test ! -e "$GH_COMMENT" || echo 7 ;;
*"body=@"*) for last; do :; done; cp "${last#body=@}" "$GH_COMMENT" ;;
*) exit 1 ;;
esac
`
	if err := os.WriteFile(filepath.Join(p.bin, "gh"), []byte(gh), 0o700); err != nil {
		p.t.Fatal(err)
	}
}

// says checks what a comment holds, and what not.
func says(t *testing.T, comment string, all []string, none ...string) {
	t.Helper()
	if !strings.HasPrefix(comment, "<!-- rollcall-check -->\n") {
		t.Errorf("the comment does not begin with the marker:\n%s", comment)
	}
	for _, text := range all {
		if !strings.Contains(comment, text) {
			t.Errorf("the comment has no %q:\n%s", text, comment)
		}
	}
	for _, text := range none {
		if strings.Contains(comment, text) {
			t.Errorf("the comment has %q:\n%s", text, comment)
		}
	}
}

// effect is what the change does, unmasked beside it what it is, which would tell
// whose masks these are.
var (
	effect   = []string{"## rollcall: the plans differ: in 1 change and 1 rejection", "**Risk: ", "<b>attribute_change</b>: 1 change appears", "<b>attribute_too_long</b>: 1 rejection vanishes"}
	masked   = append([]string{"rollcall.hcl changed: its content is not shown beside masks"}, effect...)
	unmasked = append([]string{"+  max_length = { display_name = 300 }", "wei.zhang"}, effect...)
	people   = []string{"wei.zhang", "Wei Zhang", "mateo.silva", "ceo@", "max_length ="}
)

// TestPullRequestOnGitHub: one comment, which the next run replaces, with what
// the change does, masked.
func TestPullRequestOnGitHub(t *testing.T) {
	p := propose(t)
	p.fakeGH()
	comment, calls, summary := filepath.Join(p.bin, "comment"), filepath.Join(p.bin, "calls"), filepath.Join(p.bin, "summary")
	env := []string{"GITHUB_REPOSITORY=example/mail", "PULL_REQUEST=12", "GITHUB_STEP_SUMMARY=" + summary, "GH_COMMENT=" + comment, "GH_CALLS=" + calls}
	for range 2 {
		if out, code := p.check("main~1", env...); code != 0 {
			t.Fatalf("exits %d\n%s", code, out)
		}
	}
	says(t, read(t, comment), masked, people...)
	if !strings.Contains(read(t, summary), read(t, comment)) {
		t.Error("the summary of the job is not the comment")
	}
	var methods []string
	for line := range strings.Lines(read(t, calls)) {
		for _, call := range []string{"--paginate repos/example/mail/issues/12/comments", "POST repos/example/mail/issues/12/comments ", "PATCH repos/example/mail/issues/comments/7 "} {
			if strings.Contains(line, call) {
				methods = append(methods, strings.Fields(call)[0])
			}
		}
	}
	if got := strings.Join(methods, " "); got != "--paginate POST --paginate PATCH" {
		t.Errorf("calls: %s\n%s", got, read(t, calls))
	}

	// Everybody who sees the request may see the addresses.
	if out, code := p.check("main~1", append(env, "ROLLCALL_FLAGS=")...); code != 0 {
		t.Fatalf("exits %d\n%s", code, out)
	}
	says(t, read(t, comment), unmasked)

	// What fails, fails the job, and stands in the comment beside the difference.
	// No name stands in the log either.
	hides := func(out string) {
		t.Helper()
		for _, name := range people {
			if strings.Contains(out, name) {
				t.Errorf("the log has %q:\n%s", name, out)
			}
		}
	}
	p.change("rollcall.hcl", `addresses = ["ceo@`, `addresses =   ["ceo@`)
	out, code := p.check("main~2", env...)
	hides(out)
	if code != 1 || !strings.Contains(out, "failed  fmt") {
		t.Errorf("a file that is not laid out: exits %d\n%s", code, out)
	}
	says(t, read(t, comment), append(masked, "fmt failed:\n\n    rollcall.hcl\n"), people...)
	if out, code := p.check("main~2", append(env, "ROLLCALL_FLAGS=")...); code != 1 {
		t.Errorf("exits %d\n%s", code, out)
	}
	says(t, read(t, comment), append(unmasked, `    +  addresses = ["ceo@example.com", `))
	p.change("quickstart.rollcall-test.hcl", `guard  = "case-2026-017"`, `guard  = "case"`)
	out, code = p.check("main~3", env...)
	hides(out)
	if code != 1 || !strings.Contains(out, "failed  test") {
		t.Errorf("a test that fails: exits %d\n%s", code, out)
	}
	says(t, read(t, comment), append(masked, "test failed:\n\n    FAIL  quickstart.rollcall-test.hcl:6: the first plan\n", "rejection of u-"), people...)
	p.change("rollcall.hcl", "addresses =   [", "adresses = [")
	out, code = p.check("main~4", env...)
	hides(out)
	if code != 1 || !strings.Contains(out, "failed  validate") {
		t.Errorf("a misspelt attribute: exits %d\n%s", code, out)
	}
	says(t, read(t, comment), []string{"validate failed:\n\n    ", "did you mean addresses?"}, people...)
	if out, code := p.check("nothing", env...); code == 0 {
		t.Errorf("without a base: exits 0\n%s", out)
	}
}

// TestPullRequestIsSafe: whatever a change has in its files, it is neither markup
// of the comment nor a command in the log, and only what it does tells two runs
// apart.
func TestPullRequestIsSafe(t *testing.T) {
	p := propose(t)
	comment := filepath.Join(p.bin, "comment")
	p.fakeGH()
	env := []string{"GITHUB_REPOSITORY=example/mail", "PULL_REQUEST=12", "GH_COMMENT=" + comment, "GH_CALLS=" + filepath.Join(p.bin, "calls"), "ROLLCALL_FLAGS="}
	hostile := "# a\r# [a](http://example.com) @everyone\x1b[2J\n::stop-commands::x\n  ::add-mask::a\n\u00a0::add-mask::a\n##[add-mask]a\n# " + strings.Repeat("\U0001F469", 700) + "\n"
	// As a program that fails may write it.
	rollcall := "#!/bin/sh\ncase \"$*\" in *validate*) cat \"$HOSTILE\"; echo \"in $5\"; exit 1 ;; *plan*) exec \"$ROLLCALL\" \"$@\" ;; esac\n"
	for name, text := range map[string]string{"rollcall": rollcall, "hostile": hostile} {
		path := filepath.Join(p.bin, name)
		os.Remove(path)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	env = append(env, "HOSTILE="+filepath.Join(p.bin, "hostile"), "ROLLCALL="+built(t, "rollcall"))
	out, code := p.check("main~1", env...)
	if code != 1 {
		t.Fatalf("exits %d\n%s", code, out)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") || strings.ContainsAny(line, "\r\x1b") {
			t.Errorf("the log has %q", line)
		}
	}
	page := read(t, comment)
	failures, _, _ := strings.Cut(page, "## rollcall:")
	if !utf8.ValidString(page) || strings.ContainsAny(page, "\r\x1b") {
		t.Errorf("raw octets in %.300q", page)
	}
	_, block, found := strings.Cut(failures, "validate failed:\n\n")
	if !found || !strings.Contains(block, "\U0001F469") {
		t.Fatalf("no failure in %q", failures)
	}
	for line := range strings.Lines(strings.TrimRight(block, "\n")) {
		if !strings.HasPrefix(line, "    ") {
			t.Errorf("%q stands outside of code", line)
		}
	}

	// The folder of the base is another one in each run. This base does not load.
	os.Remove(filepath.Join(p.bin, "rollcall"))
	if err := os.Symlink(built(t, "rollcall"), filepath.Join(p.bin, "rollcall")); err != nil {
		t.Fatal(err)
	}
	p.change("rollcall.hcl", "display_name = 300", "display_name = three")
	p.change("rollcall.hcl", "display_name = three", "display_name = 300")
	var pages []string
	for range 2 {
		out, code := p.check("main~1", env...)
		if code != 1 || !strings.Contains(out, "the configuration to compare with, in base/mail, is not valid") {
			t.Errorf("exits %d\n%s", code, out)
		}
		pages = append(pages, read(t, comment))
	}
	if pages[0] != pages[1] {
		t.Errorf("two runs:\n%s\n%s", pages[0], pages[1])
	}
}

// TestPullRequestOnGitLab: the same, by the notes API.
func TestPullRequestOnGitLab(t *testing.T) {
	p := propose(t)
	const marker = `<!-- rollcall-check -->`
	var mu sync.Mutex // of what the server was told
	note, calls := "", ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("PRIVATE-TOKEN") != "the token" {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		calls += r.Method + " " + r.URL.Path + "\n"
		const notes = "/projects/3/merge_requests/5/notes"
		switch {
		case r.URL.Path == "/user":
			w.Write([]byte(`{"id": 9}`))
		case r.Method == "GET" && r.URL.Path == notes && r.FormValue("page") == "1":
			// Somebody else has written the marker, too.
			w.Write([]byte(`[{"id": 1, "author": {"id": 2}, "body": "` + marker + `"}, {"id": 2, "author": {"id": 9}, "body": "hello"}]`))
		case r.Method == "GET" && r.URL.Path == notes && r.FormValue("page") == "2" && note != "":
			w.Write([]byte(`[{"id": 3, "author": {"id": 9}, "body": "` + marker + `\n"}]`))
		case r.Method == "GET" && r.URL.Path == notes:
			w.Write([]byte(`[]`))
		case r.Method == "POST" && r.URL.Path == notes, r.Method == "PUT" && r.URL.Path == notes+"/3":
			note = r.FormValue("body")
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	env := []string{"CI_API_V4_URL=" + server.URL, "CI_PROJECT_ID=3", "CI_MERGE_REQUEST_IID=5", "GITLAB_TOKEN=the token"}
	for _, method := range []string{"POST", "PUT"} {
		if out, code := p.check("main~1", env...); code != 0 {
			t.Fatalf("exits %d\n%s", code, out)
		}
		mu.Lock()
		if !strings.Contains(calls, method+" ") {
			t.Errorf("no %s:\n%s", method, calls)
		}
		says(t, note, masked, people...)
		mu.Unlock()
	}
	if out, code := p.check("main~1", append(env, "GITLAB_TOKEN=another")...); code != 1 || !strings.Contains(out, "failed  comment on merge request 5") {
		t.Errorf("with another token: exits %d\n%s", code, out)
	}
}

// TestPullRequestFiles: the files are YAML with the steps that the README
// promises, the rights that they need and no more, and the script is clean.
func TestPullRequestFiles(t *testing.T) {
	// Debian's own python, whose packages apt-get installs.
	python := servertest.Need(t, "/usr/bin/python3", "python3-yaml")
	for _, name := range []string{"github.yml", "gitlab-ci.yml"} {
		path := filepath.Join("pull-request", name)
		if out, err := exec.Command(python, "-c", "import sys, yaml; assert isinstance(yaml.safe_load(open(sys.argv[1])), dict)", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		text := read(t, path)
		for _, part := range []string{"rollcall-check ", "sha256sum --check", "ROLLCALL_SNAPSHOT: mail/snapshot"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %q", name, part)
			}
		}
		if strings.Contains(text, "\t") {
			t.Errorf("%s has a tab", name)
		}
	}
	pipeline := read(t, "pull-request/gitlab-ci.yml")
	for _, part := range []string{` && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID` + "\n", `changes: ["mail/**/*", "ci/**/*", ".gitlab-ci.yml"]`} {
		if !strings.Contains(pipeline, part) {
			t.Errorf("gitlab-ci.yml has no %q", part)
		}
	}
	workflow := read(t, "pull-request/github.yml")
	for _, part := range []string{"\non:\n  pull_request:\n", "\npermissions:\n  contents: read\n  pull-requests: write", "persist-credentials: false", "uses: actions/checkout@v4\n"} {
		if !strings.Contains(workflow, part) {
			t.Errorf("github.yml has no %q", part)
		}
	}
	if strings.Contains(workflow, "\n  pull_request_target:") {
		t.Error("github.yml runs on pull_request_target")
	}
	if out, err := exec.Command(servertest.Need(t, "shellcheck", "shellcheck"), "pull-request/rollcall-check").CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// consoleRules are the rules of consoles, and where each is shown: a file, and what
// stands there. What begins with "func " is a test, "# " begins a part of a script, and
// anything else is the name of a case.
var consoleRules = []struct {
	rule  string
	shown []string
}{
	// What is there.
	{"without a console block the accounts of the state file are the console", []string{"config/console_test.go: func TestNoConsole"}},
	{"a console is read completely, or nothing is done", []string{
		"internal/console/exec/faults_test.go: func TestReadFaults", "console-errors.txtar: # What ends a run"}},
	{"an owner has no default, and an empty one is none", []string{"console-owners.txtar: # An owner has no default", "plan/merge_test.go: an empty owner owns nothing"}},
	{"two configurations share a console, and neither touches the accounts of the other", []string{"console-owners.txtar: # Two configurations share a console"}},
	{"accounts are matched by mark, then by ref, then by primary", []string{
		"plan/merge_test.go: by mark comes before by ref", "plan/merge_test.go: renamed by hand, a ref finds it",
		"plan/merge_test.go: by primary, if the ledger has no ref and it is active there", "plan/merge_test.go: not by primary, if the ledger has a ref",
		"plan/merge_test.go: not by primary, if it is inactive in the ledger", "plan/merge_test.go: not by primary without a mark, where marks are stored"}},
	{"a ref that is not stable counts with the same primary alone", []string{"plan/merge_test.go: by primary, where refs are not stable"}},
	{"what is as it was read back is no drift", []string{"plan/merge_test.go: as it was read back, it is what was asked for", "console-verify.txtar: # What a product makes of the texts"}},
	{"another value of what is stored is drift: changed", []string{"plan/merge_test.go: another value is drift, field by field", "console-drift.txtar: # Each kind of it"}},
	{"a mark of another object of ours counts, and is drift: owner", []string{"plan/merge_test.go: a mark that names another object of ours wins", "console-drift.txtar: # Each kind of it"}},
	{"an account that others have marked is theirs, and is drift: foreign", []string{
		"plan/merge_test.go: a mark of another configuration makes it foreign", "console-drift.txtar: # What is of another configuration now stays so"}},
	{"an active account that the console lacks is drift: gone", []string{"plan/merge_test.go: active and lacking: gone", "console-drift.txtar: # Each kind of it"}},
	{"unless it was applied so lately that it need not be seen yet", []string{
		"plan/merge_test.go: active and lacking a moment after it was applied: the ledger's", "plan/merge_test.go: active and lacking once it has settled: gone"}},
	{"an inactive account that the console lacks keeps its address, unless a live one has it", []string{
		"plan/merge_test.go: inactive and lacking: reserved", "plan/merge_test.go: inactive and lacking, and a live account has its address"}},
	{"an account with our mark that the ledger lacks is learned, and is drift: unrecorded", []string{
		"plan/merge_test.go: our mark that the ledger lacks, of a declared directory", "console-drift.txtar: # What the state does not know is learned"}},
	{"an account with our mark of a directory that is not declared is foreign", []string{"plan/merge_test.go: our mark that the ledger lacks, of no declared directory"}},
	{"an account with another's mark is foreign, and one without a mark local", []string{
		"plan/merge_test.go: another's mark that the ledger lacks", "plan/merge_test.go: no mark: local", "plan/merge_test.go: no mark in a console that is all ours"}},
	{"of several accounts with one mark the one with the ledger's ref is ours, the others are frozen", []string{
		"plan/merge_test.go: of several with one mark, the one with the ledger's ref is ours", "plan/merge_test.go: without a ledger, all of them are frozen"}},
	{"an address that two accounts have freezes both", []string{"plan/merge_test.go: an address that two accounts have freezes both", "plan/merge_test.go: and an alias of an inactive account"}},
	{"aliases of inactive accounts hold their addresses", []string{"plan/merge_test.go: deactivated by hand, its aliases are reserved"}},
	{"an account without a primary is frozen", []string{"plan/merge_test.go: an account without a primary is frozen"}},
	{"what the console does not store is the ledger's, and never drifts", []string{"plan/merge_test.go: what the console does not store is the ledger's and never drifts"}},
	{"holds and protection look at the ledger and at the console, and facts say what it cannot do", []string{"plan/merged_test.go: func TestConsoleRules"}},
	{"more accounts gone than may be deactivated is a read that was not complete", []string{
		"plan/merged_test.go: func TestGoneBeyond", "console-drift.txtar: # A console that shows less than it has"}},
	{"an account that is gone and has no entry leaves the ledger with a row", []string{"console-drift.txtar: # An account that is gone, and whose entry is gone"}},
	{"on_drift = fail ends an apply with 13, until somebody accepts", []string{`console-drift.txtar: # on_drift = "fail"`}},
	{"what is unrecorded fails no apply", []string{"console-drift.txtar: # What the state does not know is learned, and fails no apply"}},
	{"state commands read the ledger, and change owners through the console", []string{"console-state.txtar: # The state of a console", "console-state.txtar: # release takes the mark away"}},
	{"forget refuses while the account is there; import and remove are for the local console", []string{"console-state.txtar: # What is in the console is not forgotten"}},
	{"undo reads the console", []string{"console-undo.txtar: # A run is taken back in the console"}},
	{"a snapshot has the console, and a comparison reads it once", []string{"console-snapshot.txtar: # ", "console-compare.txtar: # "}},
	{"redaction masks refs, drift and what connectors say", []string{"console-redact.txtar: # "}},
	{"tests of a configuration may give facts", []string{"config/console_test.go: func TestFacts"}},

	// Applying.
	{"a request has one change of an account, and no group is divided where groups are whole", []string{"apply/model_test.go: a request has two changes of", "apply/apply_test.go: func TestDealing"}},
	{"nobody else has a turn between who gives an address up and who gets it", []string{"apply/apply_test.go: func TestMovesTogether"}},
	{"elsewhere givers come first, rings go through temporary addresses, and a failure is taken back", []string{
		"apply/apply_test.go: func TestRing", "apply/apply_test.go: func TestDealingRefused"}},
	{"each step is on disk before it is sent", []string{"state/journal_test.go: func TestJournal", "cmd/rollcall/console_crash_linux_amd64_test.go: func TestConsoleKilledAtEachCall"}},
	{"groups without common addresses are made beside each other", []string{"apply/apply_test.go: func TestConcurrency"}},
	{"Ctrl-C ends a run between two groups, and the ledger has what was made", []string{"apply/apply_test.go: func TestCtrlC"}},
	{"the next run waits for the connector of one that was killed", []string{"internal/console/exec/exec_test.go: func TestHostKilled"}},
	{"and makes out what was made: nothing is made twice, and no owner is lost", []string{
		"apply/apply_test.go: func TestKilled", "cmd/rollcall/console_faults_test.go: func TestConsoleKilled"}},
	{"not before the console shows all that was done", []string{"apply/apply_test.go: func TestSettles"}},
	{"what is unknown is left to a person", []string{"apply/apply_test.go: func TestUndecided", "console-undecided.txtar: # A run is killed while it creates accounts"}},
	{"a change without an answer is looked up, and never repeated blindly", []string{"apply/apply_test.go: func TestFaults", "console-errors.txtar: # A connector that makes a change, does not say so"}},
	{"after three restarts the console is unreachable", []string{"internal/console/exec/faults_test.go: func TestUnreachable", "apply/apply_test.go: func TestUnreachable"}},
	{"what cannot be made now is tried again, with the same key; nothing else is", []string{"console-errors.txtar: # What cannot be made now is tried again"}},
	{"whatever else fails, fails its group, and the rest goes on", []string{"console-errors.txtar: # Refused: its own change alone"}},
	{"before anything was applied auth is 12, config 1 and a console that is not reachable 10; afterwards it is 3", []string{
		"console-errors.txtar: # What ends a run", "console-errors.txtar: # The credentials are withdrawn"}},
	{"what is live already is not sent", []string{"apply/apply_test.go: func TestNothingToSend"}},
	{"no more changes are sent in a second than the rate allows", []string{"apply/apply_test.go: func TestRate"}},
	{"what was touched is read again, and each difference is reported", []string{"apply/apply_test.go: func TestVerify", "console-verify.txtar: # What was changed is read again"}},
	{"a canary is made first, and the rest only if it is right", []string{"apply/apply_test.go: func TestCanary", "console-verify.txtar: # A canary"}},
	{"a saved plan fits if what it touches is as it was", []string{"apply/fits_test.go: func TestMoved", "console-saved.txtar: # A saved plan fits"}},
	{"plan writes nothing, and asks a console that can try with a dry run", []string{"apply/apply_test.go: func TestTry", "console-try.txtar: # plan writes nothing"}},
}

// TestConsoleRulesAreShown: each rule of consoles has a test, which is there.
func TestConsoleRulesAreShown(t *testing.T) {
	texts := map[string]string{}
	for _, r := range consoleRules {
		for _, where := range r.shown {
			file, part, _ := strings.Cut(where, ": ")
			path := filepath.Join("..", "..", filepath.FromSlash(file))
			if strings.HasSuffix(file, ".txtar") {
				path = filepath.Join("testdata", file)
			}
			if texts[path] == "" {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				texts[path] = string(text)
			}
			if !strings.Contains(texts[path], part) {
				t.Errorf("%s: %s does not show it by %q", r.rule, file, part)
			}
		}
	}
}

//go:build unix

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func init() { programs["faulty-console"] = faultyMain }

// vault is the console of the faulty connector, as it stands in the file
// console.json of a folder. It minds what must never happen.
type vault struct {
	// Facts are what the connector states.
	Facts vaultFacts
	// Rows are the accounts, each in the versions that it had. The last one counts;
	// what is read may be an older one.
	Rows []vaultRow
	// Ledgers are what was claimed, by owner.
	Ledgers map[string]string `json:",omitempty"`
	// Wrong is what must never happen, and did.
	Wrong []string
}

type vaultFacts struct {
	Inactive  string   `json:"inactive,omitempty"`
	Owner     string   `json:"owner,omitempty"`
	RefStable *bool    `json:"ref_stable,omitempty"`
	Stores    []string `json:"stores,omitempty"`
	Batch     int      `json:"batch,omitempty"`
	Groups    bool     `json:"groups,omitempty"`
	Ledger    bool     `json:"ledger,omitempty"`
	Settles   float64  `json:"settles_within,omitempty"`
}

func (f *vaultFacts) keeps(name string) bool {
	switch name {
	case "ref", "rev", "primary":
		return true
	case "owner":
		return f.Owner == "stored"
	}
	return f.Stores == nil || slices.Contains(f.Stores, name)
}

func (f *vaultFacts) unstable() bool { return f.RefStable != nil }

// vaultRow is an account with its past.
type vaultRow struct {
	Versions []vaultVersion
}

// vaultVersion is what an account has been since At, in milliseconds; nil for one that
// is not there.
type vaultVersion struct {
	At      int64
	Account *holding
}

// holding is an account as the console has it.
type holding struct {
	Ref        string            `json:"ref"`
	Rev        string            `json:"rev"`
	Primary    string            `json:"primary"`
	Aliases    []string          `json:"aliases"`
	Type       string            `json:"type"`
	Status     string            `json:"status"`
	Owner      *ownerMark        `json:"owner"`
	Username   string            `json:"username"`
	DN         string            `json:"dn"`
	Attributes map[string]string `json:"attributes"`
}

type ownerMark struct {
	By        string `json:"by"`
	Directory string `json:"directory"`
	GUID      string `json:"guid"`
}

// now is the account as it is, or nil.
func (r *vaultRow) now() *holding { return r.Versions[len(r.Versions)-1].Account }

// name tells the row from others: by its entry, or by the address that it had first.
func (r *vaultRow) name() string {
	for _, v := range r.Versions {
		if v.Account != nil {
			return cmp.Or(v.Account.Attributes["number"], v.Account.Primary)
		}
	}
	return ""
}

// seen is the account as it was at a time, or nil.
func (r *vaultRow) seen(at int64) *holding {
	for _, v := range slices.Backward(r.Versions) {
		if v.At <= at {
			return v.Account
		}
	}
	return nil
}

// set makes the account another one.
func (r *vaultRow) set(a *holding, at int64) {
	if a != nil {
		a.Rev = strconv.Itoa(len(r.Versions) + 1)
	}
	r.Versions = append(r.Versions, vaultVersion{at, a})
}

// with has one user at a time look at the vault, and change it.
func withVault(dir string, f func(v *vault) (changed bool)) error {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "console.json")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var v vault
	if err == nil {
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
	}
	if !f(&v) {
		return nil
	}
	if text, err = json.Marshal(&v); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// faults are what goes wrong in a run, as it stands in the file faults.json of the
// folder; without it, nothing does.
type faults struct {
	Seed uint64
	// Rate is how often something goes wrong, in a thousand chances.
	Rate int
	// Signal is sent to rollcall at the point KillAt, counted from 1; 0 is never.
	KillAt int
	Signal int
	// Linger is how long the change at hand takes if rollcall is killed.
	Linger time.Duration
	// Late is how long an answer takes that is late.
	Late time.Duration
}

// faulty is the connector.
type faulty struct {
	dir      string
	faults   faults
	random   *rand.Rand // nil for one that makes no faults
	facts    vaultFacts
	applying bool

	requests  chan *faultyRequest
	cancelled atomic.Int64 // the request that was cancelled
	ended     atomic.Bool  // nobody asks any more
	keys      map[string]map[string]any
	out       *bufio.Writer
}

type faultyRequest struct {
	ID        int64
	Type      string
	Target    int64
	Changes   []faultyChange
	Refs      []string
	Addresses []string
	Owner     string
	Ledger    string
	Was       string
}

type faultyChange struct {
	Key, Op, Ref, Rev string
	Group             int
	After             map[string]json.RawMessage
}

// faultyMain is a connector of rollcall-console/1 that does what connectors must
// not do. Its argument is the folder of its console.
func faultyMain() {
	c := &faulty{dir: os.Args[1], requests: make(chan *faultyRequest), keys: map[string]map[string]any{}, out: bufio.NewWriter(os.Stdout)}
	if text, err := os.ReadFile(filepath.Join(c.dir, "faults.json")); err == nil {
		if err := json.Unmarshal(text, &c.faults); err != nil {
			panic(err)
		}
		c.random = rand.New(rand.NewPCG(c.faults.Seed, uint64(c.count("processes"))))
	}
	go c.listen()
	owner := ""
	for r := range c.requests {
		c.applying = r.Type == "apply"
		c.point()
		if r.Type == "hello" {
			owner = r.Owner
		}
		if c.chance(1) {
			c.line(map[string]any{"id": r.ID, "error": c.problem()})
			continue
		}
		switch r.Type {
		case "hello":
			c.read(func(v *vault) { c.facts = v.Facts })
			c.line(map[string]any{"id": r.ID, "protocol": 1, "name": "faulty", "version": "1", "facts": c.facts})
		case "read", "get":
			c.accounts(r)
		case "apply":
			c.apply(r, owner)
		case "ledger", "claim":
			c.ledger(r, owner)
		case "bye":
			c.line(map[string]any{"id": r.ID})
			return
		default:
			c.line(map[string]any{"id": r.ID, "error": map[string]any{"code": "unsupported", "message": "no " + r.Type}})
		}
	}
}

// ledger answers ledger and claim.
func (c *faulty) ledger(r *faultyRequest, owner string) {
	answer := map[string]any{"id": r.ID}
	err := withVault(c.dir, func(v *vault) bool {
		now := v.Ledgers[owner]
		switch {
		case !v.Facts.Ledger:
			v.Wrong = append(v.Wrong, r.Type+", without the fact")
		case r.Type == "ledger":
			answer["ledger"] = now
			return false
		case r.Was != now:
			answer["error"] = map[string]any{"code": "changed", "message": "it is " + now}
			return false
		default:
			if v.Ledgers == nil {
				v.Ledgers = map[string]string{}
			}
			v.Ledgers[owner] = r.Ledger
		}
		return true
	})
	if err != nil {
		panic(err)
	}
	c.point()
	c.line(answer)
}

// listen reads requests. It hears when one is cancelled while that is answered.
func (c *faulty) listen() {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			c.ended.Store(true)
			close(c.requests)
			return
		}
		r := &faultyRequest{}
		if err := json.Unmarshal(line, r); err != nil {
			panic(err)
		}
		if r.Type == "cancel" {
			c.cancelled.Store(r.Target)
			continue
		}
		c.requests <- r
	}
}

// count counts in a file that the processes of a run share.
func (c *faulty) count(what string) (n int) {
	err := withVault(c.dir, func(*vault) bool {
		path := filepath.Join(c.dir, what)
		text, _ := os.ReadFile(path)
		n, _ = strconv.Atoi(string(text))
		n++
		if err := os.WriteFile(path, []byte(strconv.Itoa(n)), 0o600); err != nil {
			panic(err)
		}
		return false
	})
	if err != nil {
		panic(err)
	}
	return n
}

// chance reports whether something goes wrong that is so many times as likely as
// others. Most of that happens while changes are made.
func (c *faulty) chance(times int) bool {
	most := 1000
	if !c.applying {
		most = 20_000
	}
	return c.random != nil && c.random.IntN(most) < c.faults.Rate*times
}

// point is where rollcall or the connector may be killed, or the connector be slow.
func (c *faulty) point() {
	if c.random == nil {
		return
	}
	if c.faults.KillAt > 0 && c.count("points") == c.faults.KillAt {
		c.kill()
		// What is at hand is finished, after rollcall is gone.
		time.Sleep(c.faults.Linger)
	}
	switch {
	case c.chance(1):
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case c.chance(1):
		os.Exit(3)
	case c.chance(1):
		time.Sleep(c.faults.Late)
	case c.chance(1):
		c.raw("Connecting to console ...\n")
	}
}

// kill sends rollcall its signal, if it is there still: its process is reported in a file.
func (c *faulty) kill() {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(c.dir, "pid"))
		if err != nil || len(text) == 0 {
			continue
		}
		pid, _ := strconv.Atoi(string(text))
		// A process that is not the parent of this one may be anybody's by now.
		if pid > 1 && os.Getppid() == pid {
			syscall.Kill(pid, syscall.Signal(c.faults.Signal))
		}
		return
	}
}

// problem is an error that may be one for a while.
func (c *faulty) problem() map[string]any {
	switch c.random.IntN(8) {
	case 0:
		return map[string]any{"code": "temporary", "message": "the database is locked"}
	case 1:
		return map[string]any{"code": "refused", "message": "not now"}
	case 2:
		return map[string]any{"code": "internal", "message": "nil has no method"}
	}
	return map[string]any{"code": "throttled", "message": "too many requests", "retry_after": 0.005}
}

func (c *faulty) raw(text string) {
	c.out.WriteString(text)
	if c.out.Flush() != nil {
		os.Exit(0) // nobody listens
	}
}

func (c *faulty) line(message map[string]any) {
	text, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	c.raw(string(text) + "\n")
	if c.chance(1) {
		c.raw(string(text) + "\n") // again
	}
}

func (c *faulty) read(f func(v *vault)) {
	if err := withVault(c.dir, func(v *vault) bool { f(v); return false }); err != nil {
		panic(err)
	}
}

// accounts answers read and get. Where changes take a while to be seen, it shows
// accounts as they were.
func (c *faulty) accounts(r *faultyRequest) {
	at := time.Now().UnixMilli()
	if c.random != nil {
		at -= int64(c.random.Float64() * c.facts.Settles * 1000)
	}
	var all []*holding
	c.read(func(v *vault) {
		for i := range v.Rows {
			a := v.Rows[i].seen(at)
			if a == nil || r.Type == "get" && !slices.Contains(r.Refs, a.Ref) && !slices.ContainsFunc(a.addresses(), func(x string) bool { return slices.Contains(r.Addresses, x) }) {
				continue
			}
			all = append(all, a)
		}
	})
	if c.random != nil {
		c.random.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	}
	for n, a := range all {
		if n%8 == 4 {
			c.point()
		}
		c.line(map[string]any{"id": r.ID, "account": a.shown(&c.facts)})
	}
	end := map[string]any{"id": r.ID, "accounts": len(all)}
	if r.Type == "read" {
		end["complete"] = true
	}
	switch {
	case c.chance(1):
		end["accounts"] = len(all) + 1
	case c.chance(1):
		end["complete"] = false
	}
	c.line(end)
}

// shown is an account as it is reported, without what is not stored.
func (a *holding) shown(f *vaultFacts) map[string]any {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		panic(err)
	}
	for name := range all {
		if name != "attributes" && !f.keeps(name) {
			delete(all, name)
		}
	}
	return all
}

func (a *holding) addresses() []string { return append([]string{a.Primary}, a.Aliases...) }

// apply makes changes, and answers each, or else.
func (c *faulty) apply(r *faultyRequest, owner string) {
	var held map[string]any // the answer that is exchanged with the next one
	exchange := -1
	if len(r.Changes) > 1 && c.chance(8) {
		exchange = c.random.IntN(len(r.Changes) - 1)
	}
	n := 0
	tell := func(answer map[string]any) {
		answer["id"] = r.ID
		n++
		switch i := n - 1; {
		case i == exchange:
			held = answer
			return
		case held != nil:
			if c.detectable(held, answer) {
				held["key"], answer["key"] = answer["key"], held["key"]
			}
			c.line(held)
			held = nil
		}
		c.line(answer)
	}
	failed := map[int]bool{}
	for i := 0; i < len(r.Changes); {
		group := r.Changes[i : i+1]
		if c.facts.Groups {
			for i+len(group) < len(r.Changes) && r.Changes[i+len(group)].Group == group[0].Group {
				group = r.Changes[i : i+len(group)+1]
			}
		}
		i += len(group)
		c.point()
		if c.ended.Load() {
			os.Exit(0)
		}
		answers := c.group(r.ID, group, failed, owner)
		c.point()
		for k, answer := range answers {
			answer["key"] = group[k].Key
			tell(answer)
		}
	}
	c.point()
	done := n
	if c.chance(2) {
		done++
	}
	c.line(map[string]any{"id": r.ID, "done": done})
}

// detectable reports whether somebody who looks at the accounts afterwards can tell that
// two answers were exchanged. What was made, and is said to have failed, can be known by
// its mark alone.
func (c *faulty) detectable(x, y map[string]any) bool {
	made := x["error"] == nil && y["error"] == nil
	return made || c.facts.Owner == "stored" && c.facts.Inactive == ""
}

func cancelledAnswer() map[string]any {
	return map[string]any{"error": map[string]any{"code": "cancelled", "message": "not started"}}
}

// group makes the changes of a group, all or none; without the fact, it has one.
func (c *faulty) group(id int64, group []faultyChange, failed map[int]bool, owner string) (answers []map[string]any) {
	for range group {
		answers = append(answers, cancelledAnswer())
	}
	number := group[0].Group
	if first := c.keys[group[0].Key]; first != nil {
		for k := range group {
			answers[k] = maps.Clone(c.keys[group[k].Key])
		}
		return answers
	}
	if c.cancelled.Load() == id || failed[number] {
		return answers
	}
	bad := -1
	if c.chance(3) {
		bad = c.random.IntN(len(group))
	}
	err := withVault(c.dir, func(v *vault) bool {
		var trial vault
		text, _ := json.Marshal(v)
		_ = json.Unmarshal(text, &trial)
		// A ref is the one that was read, also where another account gets it meanwhile.
		rows := make([]int, len(group))
		for k := range group {
			rows[k] = trial.find(group[k].Ref)
		}
		for k := range group {
			answer := c.change(&trial, &group[k], rows[k], owner, len(group) > 1)
			if k == bad {
				answer = map[string]any{"error": c.problem()}
			}
			if answer["error"] == nil && len(group) > 1 && k == len(group)-1 {
				if x, holder := trial.doubled(); x != "" {
					answer = taken(x, holder)
				}
			}
			if answers[k] = answer; answer["error"] != nil {
				failed[number] = true
				for n := range k {
					answers[n] = cancelledAnswer()
				}
				v.Wrong = trial.Wrong
				return true
			}
		}
		*v = trial
		return true
	})
	if err != nil {
		panic(err)
	}
	if !failed[number] {
		for k := range group {
			c.keys[group[k].Key] = maps.Clone(answers[k])
		}
	}
	return answers
}

func taken(x, holder string) map[string]any {
	return map[string]any{"error": map[string]any{"code": "taken", "message": "somebody has it", "address": x, "holder": holder}}
}

// doubled returns an address that two accounts have, and who has it.
func (v *vault) doubled() (address, holder string) {
	holders := map[string]string{}
	for i := range v.Rows {
		if a := v.Rows[i].now(); a != nil {
			for _, x := range a.addresses() {
				if other, is := holders[x]; is {
					return x, other
				}
				holders[x] = a.Ref
			}
		}
	}
	return "", ""
}

// find returns the index of the row of an account that is there, or -1.
func (v *vault) find(ref string) int {
	return slices.IndexFunc(v.Rows, func(r vaultRow) bool { a := r.now(); return a != nil && a.Ref == ref })
}

// change makes one change, of the account in row n; -1 is none.
func (c *faulty) change(v *vault, ch *faultyChange, n int, owner string, grouped bool) map[string]any {
	wrong := func(format string, args ...any) { v.Wrong = append(v.Wrong, fmt.Sprintf(format, args...)) }
	failure := func(code, message string) map[string]any {
		return map[string]any{"error": map[string]any{"code": code, "message": message}}
	}
	at := time.Now().UnixMilli()
	var was *vaultRow
	if n >= 0 {
		was = &v.Rows[n]
	}
	a := &holding{Type: "user", Status: "active", Aliases: []string{}, Attributes: map[string]string{}}
	if ch.Ref != "" {
		if was == nil {
			return failure("gone", "no account "+ch.Ref)
		}
		*a = *was.now()
		a.Attributes = maps.Clone(a.Attributes)
		if a.Owner != nil && a.Owner.By != owner {
			wrong("%s of %s, which is %s's", ch.Op, a.Primary, a.Owner.By)
			return failure("refused", "the account is "+a.Owner.By+"'s")
		}
		if a.Rev != ch.Rev {
			return failure("changed", "the account is at revision "+a.Rev)
		}
	}
	if ch.Op == "remove" {
		if was == nil {
			wrong("a remove without a ref")
			return failure("gone", "no ref")
		}
		was.set(nil, at)
		return map[string]any{"ok": true}
	}
	for name, value := range ch.After {
		if name != "attributes" && !v.Facts.keeps(name) {
			wrong("%s is written, which is not stored", name)
		}
		text := ""
		switch name {
		case "aliases":
			a.Aliases = nil
			_ = json.Unmarshal(value, &a.Aliases)
			continue
		case "owner":
			a.Owner = nil
			_ = json.Unmarshal(value, &a.Owner)
			continue
		case "attributes":
			var attributes map[string]*string
			_ = json.Unmarshal(value, &attributes)
			for attribute, to := range attributes {
				if to == nil {
					delete(a.Attributes, attribute)
				} else {
					a.Attributes[attribute] = *to
				}
			}
			continue
		}
		_ = json.Unmarshal(value, &text)
		switch name {
		case "primary":
			a.Primary = text
		case "type":
			a.Type = text
		case "status":
			a.Status = text
		case "username":
			a.Username = text
		case "dn":
			a.DN = text
		default:
			wrong("%s is no field", name)
		}
	}
	if a.Aliases == nil {
		a.Aliases = []string{}
	}
	if a.Primary == "" {
		wrong("an account without a primary")
	}
	twice := ""
	for i := range v.Rows {
		other := v.Rows[i].now()
		if other == nil || &v.Rows[i] == was {
			continue
		}
		if was == nil && other.Attributes["number"] == a.Attributes["number"] && (other.Owner == nil || other.Owner.By == owner) {
			twice = other.Primary
		}
		if !grouped {
			for _, x := range a.addresses() {
				if slices.Contains(other.addresses(), x) {
					return taken(x, other.Ref)
				}
			}
		}
	}
	if twice != "" {
		wrong("%s is created, and there is %s of the same entry", a.Primary, twice)
	}
	if was == nil {
		v.Rows = append(v.Rows, vaultRow{})
		was = &v.Rows[len(v.Rows)-1]
		a.Ref = fmt.Sprintf("r-%d", len(v.Rows))
	}
	if v.Facts.unstable() {
		a.Ref = a.Primary
	}
	was.set(a, at)
	return map[string]any{"ok": true, "ref": a.Ref, "rev": a.Rev}
}

// contents are the accounts by what people know of them, in byte order: without
// what the console alone gives, and without a past.
func (v *vault) contents() (all []string) {
	for i := range v.Rows {
		if a := v.Rows[i].now(); a != nil {
			known := *a
			known.Ref, known.Rev = "", ""
			known.Aliases = slices.Sorted(slices.Values(a.Aliases))
			text, err := json.Marshal(&known)
			if err != nil {
				panic(err)
			}
			all = append(all, string(text))
		}
	}
	slices.SortFunc(all, func(x, y string) int { return cmp.Compare(primaryOf(x), primaryOf(y)) })
	return all
}

func primaryOf(line string) string {
	var a holding
	_ = json.Unmarshal([]byte(line), &a)
	return a.Primary
}

// others are the accounts that a configuration must not write, as they stand in
// the file.
func (v *vault) others(owner string) (all []string) {
	for i := range v.Rows {
		if a := v.Rows[i].now(); a != nil && a.Owner != nil && a.Owner.By != owner {
			var text bytes.Buffer
			_ = json.NewEncoder(&text).Encode(v.Rows[i])
			all = append(all, strings.TrimSpace(text.String()))
		}
	}
	return all
}

// Command minimal is a small connector of rollcall-console/1. Its console is a
// folder with one JSON file for each account, which has no marks, no revisions,
// no groups, and no inactive accounts: rollcall asks for no more than the facts
// say. The configuration names the folder:
//
//	config = { folder = "accounts" }
//
// It keeps in memory who has which address, so that concurrency must be 1.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// facts say what this console can do; what is left out is the default.
const facts = `{"inactive":"removed","stores":["aliases","type","display_name"],"attributes":{"display_name":64},"max_aliases":20}`

func main() {
	// What anything prints from now on goes to the log: a stray line among the
	// answers would fail the run.
	answers := os.Stdout
	os.Stdout = os.Stderr
	c := connector{out: json.NewEncoder(answers), requests: make(chan request, 16), stopped: map[int64]bool{}}
	go c.listen(os.Stdin)
	for r := range c.requests {
		if err := c.answer(r); err != nil {
			c.say(r, message{"error": protocolError(err)})
		}
		if r.Type == "bye" {
			return
		}
	}
}

type message map[string]any

// request has what any request has. Keys that it does not name are passed over.
type request struct {
	ID        int64
	Type      string
	Target    int64 // cancel
	Protocols []int // hello
	Config    struct{ Folder string }
	Changes   []change // apply
	Refs      []string // get
	Addresses []string
}

type change struct {
	Key, Op, Ref string
	Group        *int64
	// A key that is absent from After leaves its field alone, and null clears it.
	// Before is the account as rollcall read it.
	Before, After map[string]json.RawMessage
}

// account is the content of a file. The ref is the name of the file.
type account struct {
	Ref        string            `json:"ref,omitempty"`
	Primary    string            `json:"primary"`
	Aliases    []string          `json:"aliases"`
	Type       string            `json:"type"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// problem is an error of the protocol.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Address string `json:"address,omitempty"`
	Holder  string `json:"holder,omitempty"`
}

func (p *problem) Error() string { return p.Message }

func protocolError(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return &problem{Code: "internal", Message: err.Error()}
}

type connector struct {
	out      *json.Encoder // writes one line for each message
	requests chan request

	mu      sync.Mutex
	stopped map[int64]bool // the ids of requests that were cancelled
	ended   bool           // no more input

	folder  string
	holders map[string]string  // refs, by address
	made    map[string]message // the answers of changes that were made, by key
}

// listen reads requests while others are answered, since a cancel must not wait.
func (c *connector) listen(in io.Reader) {
	defer close(c.requests)
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var r request
		if err == nil {
			err = json.Unmarshal(line, &r)
		}
		if err != nil {
			if err != io.EOF {
				fmt.Fprintln(os.Stderr, "reading requests:", err)
			}
			c.mu.Lock()
			c.ended = true
			c.mu.Unlock()
			return
		}
		if r.Type == "cancel" {
			c.mu.Lock()
			c.stopped[r.Target] = true
			c.mu.Unlock()
			continue
		}
		c.requests <- r
	}
}

func (c *connector) say(r request, m message) {
	m["id"] = r.ID
	if err := c.out.Encode(m); err != nil {
		fmt.Fprintln(os.Stderr, "answering:", err)
		os.Exit(1)
	}
}

func (c *connector) answer(r request) error {
	if c.folder == "" && r.Type != "hello" && r.Type != "bye" {
		return &problem{Code: "config", Message: "the first request must be hello"}
	}
	switch r.Type {
	case "hello":
		if !slices.Contains(r.Protocols, 1) {
			return &problem{Code: "unsupported", Message: "this connector speaks rollcall-console/1 alone"}
		}
		if info, err := os.Stat(r.Config.Folder); err != nil || !info.IsDir() {
			return &problem{Code: "config", Message: fmt.Sprintf("config.folder names no folder: %q", r.Config.Folder)}
		}
		c.folder, c.made = r.Config.Folder, map[string]message{}
		if _, err := c.load(); err != nil {
			return err
		}
		c.say(r, message{"protocol": 1, "name": "json-folder", "version": "1.0", "facts": json.RawMessage(facts)})
	case "read":
		accounts, err := c.load()
		if err != nil {
			return err
		}
		for _, a := range accounts {
			c.say(r, message{"account": a})
		}
		c.say(r, message{"accounts": len(accounts), "complete": true})
	case "get":
		return c.get(r)
	case "check":
		c.say(r, message{"findings": []message{{"check": "folder", "status": "ok", "evidence": c.folder, "remedy": ""}}})
	case "apply":
		c.apply(r)
	case "bye":
		c.say(r, message{})
	default:
		return &problem{Code: "unsupported", Message: fmt.Sprintf("this connector knows no request %q", r.Type)}
	}
	return nil
}

func (c *connector) path(ref string) string { return filepath.Join(c.folder, ref+".json") }

func (c *connector) one(ref string) (account, error) {
	var a account
	// A ref comes from outside, and must not lead out of the folder.
	if ref == "" || strings.ContainsAny(ref, `/\.`) {
		return a, &problem{Code: "gone", Message: fmt.Sprintf("there is no account %q", ref)}
	}
	text, err := os.ReadFile(c.path(ref))
	if errors.Is(err, os.ErrNotExist) {
		return a, &problem{Code: "gone", Message: "there is no account " + ref}
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		return a, fmt.Errorf("account %s: %w", ref, err)
	}
	a.Ref = ref
	return a, nil
}

// addresses are those that nobody else may have.
func (a *account) addresses() []string { return append([]string{a.Primary}, a.Aliases...) }

// load reads all files, and learns who has which address.
func (c *connector) load() ([]account, error) {
	names, err := filepath.Glob(c.path("*"))
	if err != nil {
		return nil, err
	}
	c.holders = map[string]string{}
	var all []account
	for _, name := range names {
		a, err := c.one(strings.TrimSuffix(filepath.Base(name), ".json"))
		if err != nil {
			return nil, err
		}
		all = append(all, a)
		for _, x := range a.addresses() {
			c.holders[strings.ToLower(x)] = a.Ref
		}
	}
	return all, nil
}

func (c *connector) get(r request) error {
	refs := r.Refs
	for _, x := range r.Addresses {
		if ref, there := c.holders[strings.ToLower(x)]; there {
			refs = append(refs, ref)
		}
	}
	slices.Sort(refs)
	n := 0
	for _, ref := range slices.Compact(refs) {
		a, err := c.one(ref)
		if p := (*problem)(nil); errors.As(err, &p) && p.Code == "gone" {
			continue
		}
		if err != nil {
			return err
		}
		c.say(r, message{"account": a})
		n++
	}
	c.say(r, message{"accounts": n})
	return nil
}

// apply makes changes one after the other, and answers each when it is on disk.
func (c *connector) apply(r request) {
	failed := map[int64]bool{} // groups
	for _, ch := range r.Changes {
		if answer, again := c.made[ch.Key]; again {
			c.say(r, maps.Clone(answer))
			continue
		}
		c.mu.Lock()
		stop := c.ended || c.stopped[r.ID]
		c.mu.Unlock()
		var after account
		var err error
		switch {
		case stop:
			err = &problem{Code: "cancelled", Message: "not started"}
		case ch.Group != nil && failed[*ch.Group]:
			err = &problem{Code: "cancelled", Message: "an earlier change of the group failed"}
		default:
			after, err = c.change(ch)
		}
		if err != nil {
			if ch.Group != nil {
				failed[*ch.Group] = true
			}
			c.say(r, message{"key": ch.Key, "error": protocolError(err)})
			continue
		}
		answer := message{"key": ch.Key, "ok": true}
		if ch.Op == "put" {
			answer["ref"] = after.Ref
		}
		c.made[ch.Key] = maps.Clone(answer)
		c.say(r, answer)
	}
	c.say(r, message{"done": len(r.Changes)})
}

// change makes one change.
func (c *connector) change(ch change) (account, error) {
	was := account{Type: "user", Aliases: []string{}}
	if ch.Ref != "" || ch.Op == "remove" {
		var err error
		if was, err = c.one(ch.Ref); err != nil {
			return was, err
		}
		before := was
		if _, there := ch.Before["attributes"]; there {
			before.Attributes = nil // it lists all of them
		}
		before, err = before.with(ch.Before)
		if err != nil {
			return was, err
		}
		if !was.equal(&before) {
			return was, &problem{Code: "changed", Message: "the account is not what it was when it was read"}
		}
	}
	after := account{Ref: was.Ref}
	switch ch.Op {
	case "put":
		var err error
		if after, err = was.with(ch.After); err != nil {
			return was, err
		}
		if after.Ref == "" {
			after.Ref = strings.ToLower(rand.Text()) // never used again
		}
		for _, x := range after.addresses() {
			if holder, there := c.holders[x]; there && holder != after.Ref {
				return was, &problem{Code: "taken", Message: holder + " has " + x, Address: x, Holder: holder}
			}
		}
		if err := c.save(after); err != nil {
			return was, err
		}
	case "remove":
		if err := os.Remove(c.path(was.Ref)); err != nil {
			return was, err
		}
	default:
		return was, &problem{Code: "unsupported", Message: fmt.Sprintf("this connector knows no change %q", ch.Op)}
	}
	if was.Ref != "" {
		for _, x := range was.addresses() {
			delete(c.holders, strings.ToLower(x))
		}
	}
	if ch.Op == "put" {
		for _, x := range after.addresses() {
			c.holders[x] = after.Ref
		}
	}
	return after, nil
}

// with returns the account with fields in the place of its own. Those that it
// does not store are passed over.
func (a account) with(fields map[string]json.RawMessage) (account, error) {
	attributes := map[string]*string{}
	for _, field := range []struct {
		key string
		at  any
	}{{"primary", &a.Primary}, {"aliases", &a.Aliases}, {"type", &a.Type}, {"attributes", &attributes}} {
		key := field.key
		raw, there := fields[key]
		if !there {
			continue
		}
		if key == "aliases" {
			a.Aliases = nil // or Unmarshal would write into the list of the other account
		}
		if string(raw) == "null" && (key == "primary" || key == "type") {
			return a, &problem{Code: "refused", Message: "an account needs a " + key}
		}
		if err := json.Unmarshal(raw, field.at); err != nil {
			return a, &problem{Code: "refused", Message: key + ": " + err.Error()}
		}
	}
	if a.Aliases == nil {
		a.Aliases = []string{}
	}
	name, there := attributes["display_name"]
	switch {
	case there && name != nil && *name != "":
		a.Attributes = map[string]string{"display_name": *name}
	case there || attributes == nil:
		a.Attributes = nil
	}
	return a, nil
}

// equal compares accounts; neither order nor letter case of addresses counts.
func (a *account) equal(b *account) bool {
	folded := func(x *account) []string {
		aliases := strings.Fields(strings.ToLower(strings.Join(x.Aliases, " ")))
		slices.Sort(aliases)
		return append(aliases, strings.ToLower(x.Primary), x.Type)
	}
	return slices.Equal(folded(a), folded(b)) && maps.Equal(a.Attributes, b.Attributes)
}

// save replaces the file of an account: a crash leaves the old or the new one.
func (c *connector) save(a account) error {
	ref := a.Ref
	a.Ref = ""
	slices.Sort(a.Aliases)
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	part := filepath.Join(c.folder, "part")
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(part, c.path(ref))
}

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// connector is a connector whose accounts are in memory: quick, and no more than a
// benchmark asks for. Its folder has a file with the accounts and one with the most
// changes of a request, and gets one with what it did.
type connector struct {
	folder   string
	accounts map[string]account // by ref; nil until somebody changes one
	created  int
	did      work
}

// account is an account as the protocol writes it, key by key.
type account map[string]json.RawMessage

// work is what a connector did.
type work struct {
	// Changes were made in Requests, from the first one's coming to the last one's
	// answer in Seconds.
	Changes, Requests int
	Seconds           float64
	// Processor is the time that the connector itself took, in seconds.
	Processor float64
}

// The files of a connector's folder.
const (
	accountsFile = "accounts.jsonl"
	batchFile    = "batch"
	workFile     = "work.json"
)

// asked is a request.
type asked struct {
	ID        int64
	Type      string
	Refs      []string
	Addresses []string
	Changes   []struct {
		Key, Op, Ref, Rev string
		After             account
	}
}

// connect answers requests until there are no more.
func connect(folder string) error {
	c := &connector{folder: folder}
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20)
	var begun time.Time
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil // rollcall has closed it
		}
		came := time.Now()
		var r asked
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		switch r.Type {
		case "hello":
			err = c.hello(out, r.ID)
		case "read":
			err = c.read(out, r.ID)
		case "apply":
			err = c.apply(out, &r)
		case "get":
			err = c.get(out, &r)
		default:
			_, err = fmt.Fprintf(out, `{"id":%d}`+"\n", r.ID)
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			return err
		}
		if r.Type == "apply" {
			if begun.IsZero() {
				begun = came
			}
			c.did.Requests++
			c.did.Seconds = time.Since(begun).Seconds()
		}
		if r.Type == "bye" {
			return c.report()
		}
	}
}

// report writes down what was done.
func (c *connector) report() error {
	c.did.Processor = processor().Seconds()
	text, err := json.Marshal(c.did)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.folder, workFile), text, 0o600)
}

func (c *connector) hello(out *bufio.Writer, id int64) error {
	batch, err := os.ReadFile(filepath.Join(c.folder, batchFile))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `{"id":%d,"protocol":1,"name":"bench","version":"1","facts":{"owner":"stored","batch":%s}}`+"\n", id, batch)
	return err
}

// lines calls f with each line of a file of the folder, which is valid until the next.
func (c *connector) lines(name string, f func(line []byte) error) error {
	file, err := os.Open(filepath.Join(c.folder, name))
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewScanner(file)
	for in.Scan() {
		if err := f(in.Bytes()); err != nil {
			return err
		}
	}
	return in.Err()
}

// read answers with all accounts, before any is changed.
func (c *connector) read(out *bufio.Writer, id int64) error {
	before := strconv.AppendInt([]byte(`{"id":`), id, 10)
	before = append(before, `,"account":`...)
	n := 0
	err := c.lines(accountsFile, func(line []byte) error {
		n++
		out.Write(before)
		out.Write(line)
		_, err := out.WriteString("}\n")
		return err
	})
	fmt.Fprintf(out, `{"id":%d,"accounts":%d,"complete":true}`+"\n", id, n)
	return err
}

// load brings the accounts into memory.
func (c *connector) load() error {
	if c.accounts != nil {
		return nil
	}
	c.accounts = map[string]account{}
	return c.lines(accountsFile, func(line []byte) error {
		var a account
		err := json.Unmarshal(line, &a)
		c.accounts[text(a["ref"])] = a
		return err
	})
}

func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}

func quoted(s string) json.RawMessage { return json.RawMessage(strconv.Quote(s)) }

// apply makes changes, unless the account is another one by now.
func (c *connector) apply(out *bufio.Writer, r *asked) error {
	if err := c.load(); err != nil {
		return err
	}
	for i := range r.Changes {
		change := &r.Changes[i]
		a, there := c.accounts[change.Ref]
		switch {
		case change.Ref == "":
			c.created++
			change.Ref = fmt.Sprintf("n-%d", c.created)
			a = account{"ref": quoted(change.Ref), "rev": quoted("0"), "attributes": json.RawMessage("{}")}
		case !there || text(a["rev"]) != change.Rev:
			fmt.Fprintf(out, `{"id":%d,"key":%q,"error":{"code":"changed","message":"it is not what it was"}}`+"\n", r.ID, change.Key)
			continue
		}
		c.did.Changes++
		if change.Op == "remove" {
			delete(c.accounts, change.Ref)
			fmt.Fprintf(out, `{"id":%d,"key":%q,"ok":true}`+"\n", r.ID, change.Key)
			continue
		}
		if err := a.become(change.After); err != nil {
			return err
		}
		c.accounts[change.Ref] = a
		fmt.Fprintf(out, `{"id":%d,"key":%q,"ok":true,"ref":%s,"rev":%s}`+"\n", r.ID, change.Key, a["ref"], a["rev"])
	}
	_, err := fmt.Fprintf(out, `{"id":%d,"done":%d}`+"\n", r.ID, len(r.Changes))
	return err
}

// become takes over what is wanted.
func (a account) become(after account) error {
	rev, err := strconv.Atoi(text(a["rev"]))
	if err != nil {
		return err
	}
	attributes := account{}
	for _, some := range []json.RawMessage{a["attributes"], after["attributes"]} {
		if len(some) > 0 && json.Unmarshal(some, &attributes) != nil {
			return fmt.Errorf("%s are no attributes", some)
		}
	}
	maps.DeleteFunc(attributes, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	maps.Copy(a, after)
	a["rev"] = quoted(strconv.Itoa(rev + 1))
	a["attributes"], err = json.Marshal(attributes)
	return err
}

// get answers with accounts.
func (c *connector) get(out *bufio.Writer, r *asked) error {
	if err := c.load(); err != nil {
		return err
	}
	refs := slices.Clone(r.Refs)
	if len(r.Addresses) > 0 {
		for ref, a := range c.accounts {
			for _, x := range r.Addresses {
				if bytes.Contains(append(a["aliases"], a["primary"]...), quoted(x)) && !slices.Contains(refs, ref) {
					refs = append(refs, ref)
				}
			}
		}
	}
	n := 0
	for _, ref := range refs {
		a, there := c.accounts[ref]
		if !there {
			continue
		}
		n++
		line, err := json.Marshal(a)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, `{"id":%d,"account":%s}`+"\n", r.ID, line)
	}
	_, err := fmt.Fprintf(out, `{"id":%d,"accounts":%d}`+"\n", r.ID, n)
	return err
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/state"
)

// objectsFile has the objects of a connector's folder, each a line as in an answer,
// without its id.
const objectsFile = "objects.jsonl"

// directories measures a plan of a company in an LDIF file beside the plan of the same
// company behind a connector. What the second takes more is the share of the protocol.
func directories(dir, program string, n, runs int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	base := filepath.Join(dir, fmt.Sprintf("directory-%d", n))
	file, behind := filepath.Join(base, "ldif"), filepath.Join(base, "exec")
	for _, folder := range []string{base, file, behind} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
	}
	if err := writeLDIF(filepath.Join(file, "corp.ldif"), n); err != nil {
		return err
	}
	if err := writeObjects(filepath.Join(file, "corp.ldif"), filepath.Join(behind, objectsFile)); err != nil {
		return err
	}
	recorded := state.State{Accounts: corpus.Accounts(n, "corp")}
	from := fmt.Sprintf(configuration, "corp.ldif")
	if err := begin(file, from, recorded); err != nil {
		return err
	}
	served := strings.Replace(from, "kind = \"ldif\"\n  path = \"corp.ldif\"", fmt.Sprintf("kind = \"exec\"\n  command = [%q, \"-directory\", %q]", self, behind), 1)
	if err := begin(behind, served, recorded); err != nil {
		return err
	}
	recorded = state.State{}
	runtime.GC()
	title := fmt.Sprintf("%d entries: ", n)
	var own, over []sample
	var w work
	for range runs {
		one, err := once(exec.Command(program, "-C", file, "plan", "-o", "json"), nil)
		if err != nil {
			return err
		}
		other, did, err := behindConnector(program, behind, "plan", "-o", "json")
		if err != nil {
			return err
		}
		own, over, w = append(own, one), append(over, other), did
	}
	one, other := median(own), median(over)
	show(title+"plan, in LDIF", one, "")
	show(title+"plan, behind a connector", other, fmt.Sprintf("and %.2f s of the connector", w.Processor))
	show(title+"share of the protocol", sample{other.wall - one.wall, other.processor - one.processor, other.peak - one.peak}, "")
	return nil
}

// writeObjects writes the objects of an LDIF file for a connector.
func writeObjects(from, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	scope := directory.Scope{
		Base: corpus.Base, Filter: staffFilter, PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName",
		Attributes: []directory.Attribute{{Name: identity.DisplayName, Source: "displayName"}}, Type: directory.Auto,
	}
	if _, err := ldif.New("corp", []string{from}).Read(context.Background(), []directory.Scope{scope}, objects{json.NewEncoder(out)}, nil); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// objects is a sink that writes them.
type objects struct{ *json.Encoder }

func (w objects) Put(_ int, o directory.Object) error {
	line := struct {
		DN         string              `json:"dn"`
		Attributes map[string][]string `json:"attributes"`
	}{o.DN(), map[string][]string{}}
	for name, values := range o.Attributes() {
		for _, v := range values {
			text := string(v)
			if name == "objectguid" {
				g, err := identity.WireGUID(v)
				if err != nil {
					return err
				}
				text = g.String()
			}
			line.Attributes[name] = append(line.Attributes[name], text)
		}
	}
	return w.Encode(line)
}

func (objects) Replace(int, int, directory.Object) error { return errors.ErrUnsupported }

func (objects) Reset() error { return errors.ErrUnsupported }

// serve is the connector of a folder with objects.
func serve(folder string) error {
	c := &connector{folder: folder}
	in, out := bufio.NewReaderSize(os.Stdin, 1<<16), bufio.NewWriterSize(os.Stdout, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil // rollcall has closed it
		}
		var r asked
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		switch r.Type {
		case "hello":
			fmt.Fprintf(out, `{"id":%d,"protocol":1,"name":"bench","version":"1"}`+"\n", r.ID)
		case "read":
			n := 0
			before := fmt.Appendf(nil, `{"id":%d,`, r.ID)
			err := c.lines(objectsFile, func(line []byte) error {
				n++
				out.Write(before)
				out.Write(line[1:])
				return out.WriteByte('\n')
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(out, `{"id":%d,"objects":%d,"complete":true}`+"\n", r.ID, n)
		default:
			fmt.Fprintf(out, `{"id":%d}`+"\n", r.ID)
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if r.Type == "bye" {
			return c.report()
		}
	}
}

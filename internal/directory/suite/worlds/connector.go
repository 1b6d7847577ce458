package worlds

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory/suite"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// serving is followed by the file of objects in the first argument of a test program which
// knows this package and is to be a connector of them.
const serving = "ROLLCALL_TEST_DIRECTORY="

func init() {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of connectors
	if len(os.Args) < 2 {
		return
	}
	if path, is := strings.CutPrefix(os.Args[1], serving); is {
		if err := serve(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// connectorWorld is a file that a connector reads.
type connectorWorld struct{ *fileWorld }

func newConnectorWorld(t *testing.T, _ []string, objects []*suite.Object) suite.World {
	return connectorWorld{newFile(t, "objects.jsonl", lines, objects)}
}

func (w connectorWorld) Settings() map[string]any {
	return map[string]any{"command": Connector(w.path)}
}

// Connector returns the command that serves the objects of a file, each a line as in an
// answer, but for its id.
func Connector(path string) []string {
	return []string{os.Args[0], serving + path}
}

// lines writes objects as the protocol does.
func lines(entries []servertest.Entry) string {
	var b strings.Builder
	out := json.NewEncoder(&b)
	for _, e := range entries {
		o := object{DN: e.DN, Attributes: map[string][]string{}}
		for _, a := range e.Attributes {
			o.Attributes[a.Name] = a.Values
			if g, err := identity.WireGUID([]byte(a.Values[0])); a.Name == "objectGUID" && err == nil {
				o.Attributes[a.Name] = []string{g.String()}
			}
		}
		_ = out.Encode(o) // which a strings.Builder takes
	}
	return b.String()
}

type object struct {
	DN         string              `json:"dn"`
	Attributes map[string][]string `json:"attributes"`
}

// serve answers requests until there are no more.
func serve(path string) error {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return nil // rollcall has closed it
		}
		var r struct {
			ID                               int64
			Type                             string
			GUIDs, Addresses, DNs, Usernames []string
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		switch r.Type {
		case "hello":
			fmt.Fprintf(out, `{"id":%d,"protocol":1,"name":"world","version":"1","facts":{"find":true}}`+"\n", r.ID)
		case "read", "find":
			all, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			n := 0
			for text := range bytes.Lines(all) {
				if r.Type == "find" {
					var o object
					if err := json.Unmarshal(text, &o); err != nil {
						return err
					}
					if !o.has(r.GUIDs, r.Addresses, r.DNs, r.Usernames) {
						continue
					}
				}
				n++
				fmt.Fprintf(out, `{"id":%d,%s`, r.ID, text[1:])
			}
			fmt.Fprintf(out, `{"id":%d,"objects":%d,"complete":true}`+"\n", r.ID, n)
		case "bye":
			fmt.Fprintf(out, `{"id":%d}`+"\n", r.ID)
		default:
			fmt.Fprintf(out, `{"id":%d,"error":{"code":"unsupported","message":"there is no %s"}}`+"\n", r.ID, r.Type)
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// has reports whether the object has one of what is looked for.
func (o *object) has(lists ...[]string) bool {
	for _, list := range lists {
		for _, text := range list {
			if identity.EqualDN(o.DN, text) {
				return true
			}
			for _, values := range o.Attributes {
				for _, v := range values {
					if strings.EqualFold(v, text) || strings.EqualFold(v, "smtp:"+text) {
						return true
					}
				}
			}
		}
	}
	return false
}

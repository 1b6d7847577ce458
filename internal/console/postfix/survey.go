package postfix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/console"
)

// survey asks the Postfix of this host which type of table it prefers and where its
// configuration is. Where there is none, the tables may be for another host.
func survey(ctx context.Context, o console.Opening, _ func(string) bool) (console.Survey, error) {
	c := newConsole(o)
	if _, err := os.Stat(c.folder); c.folder != "" && errors.Is(err, fs.ErrNotExist) { // init makes it later
		c.folder = string(filepath.Separator)
	}
	var s console.Survey
	parameters := []string{"default_database_type", "config_directory", "relay_domains", "relay_recipient_maps", "virtual_alias_maps"}
	said, err := c.parameters(ctx, parameters...)
	if err != nil {
		s.Notes = []string{"No Postfix here says what it uses (" + err.Error() + "): the tables may be for another host."}
		return s, ctx.Err()
	}
	s.Settings = map[string]string{}
	if _, known := endings[said[0]]; known {
		s.Settings["map"] = said[0]
	}
	for t, name := range names {
		s.Settings[name] = path.Join(said[1], "rollcall", name)
		if used := said[3+t]; used != "" {
			s.Notes = append(s.Notes, fmt.Sprintf("%s is %s now: add the table to it, or hand its file over (docs/reference/postfix.md).", parameters[3+t], used))
		}
	}
	s.Notes = append(s.Notes, "Postfix relays mail for: "+said[2]+".")
	return s, nil
}

// parameters asks postconf, which stands beside postmap and takes the same arguments,
// for parameters of Postfix.
func (c *Console) parameters(ctx context.Context, names ...string) ([]string, error) {
	directory, base := filepath.Split(c.postmap[0])
	if base != "postmap" {
		return nil, fmt.Errorf("%s is no postmap, beside which postconf stands", c.postmap[0])
	}
	command := append(append([]string{directory + "postconf"}, c.postmap[1:]...), "-xh")
	out, err := c.run(ctx, nil, nil, append(command, names...)...)
	if err != nil {
		return nil, spoken(err, out)
	}
	values := strings.Split(out, "\n")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	if len(values) < len(names) { // the last ones are empty, which run has trimmed
		values = append(values, make([]string, len(names)-len(values))...)
	}
	return values, nil
}

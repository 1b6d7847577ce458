package scim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
)

const (
	lineageA = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
	lineageB = "1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b"
	lineageC = "2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c"
)

// owned is a user with a mark, in which a lineage stands, or none.
func owned(n int, owner, lineage string) string {
	text := owner + ":corp/" + guidText[:len(guidText)-2] + fmt.Sprintf("%02x", n)
	if lineage != "" {
		text += "/" + lineage
	}
	return person(fmt.Sprintf("n%d", n), `"externalId":"`+text+`"`)
}

// lineages are those of the users of a service, by owner: "hq:A hq: branch:B".
func (s *service) lineages() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, u := range s.users {
		text, _ := u["externalId"].(string)
		if m, lineage := markOf(text); !m.IsZero() {
			all = append(all, m.By+":"+map[string]string{"": "", lineageA: "A", lineageB: "B", lineageC: "C"}[lineage])
		} else {
			all = append(all, "-")
		}
	}
	return strings.Join(all, " ")
}

// is asks a console that was just opened for its ledger.
func (s *service) is(t *testing.T, want string) {
	t.Helper()
	if got, err := s.console().Ledger(t.Context()); err != nil || got != want {
		t.Errorf("the ledger is %q, not %q (%v)", got, want, err)
	}
}

// TestClaim: a claim writes what has to be written, and nothing else.
func TestClaim(t *testing.T) {
	t.Parallel()
	none := owned(1, "hq", "")
	for name, c := range map[string]struct {
		users        []string
		was, lineage string
		refused      string // the lineage of a ClaimedError
		want         string
		writes       int
	}{
		"nobody":                     {nil, "", lineageA, "", "", 0},
		"nobody of ours":             {[]string{person("x"), owned(1, "branch", lineageB)}, "", lineageA, "", "- branch:B", 0},
		"marked without":             {[]string{person("x"), none, owned(2, "hq", "")}, "", lineageA, "", "- hq:A hq:", 1},
		"ours already":               {[]string{none, owned(2, "hq", lineageA)}, "", lineageA, "", "hq: hq:A", 0},
		"taken over":                 {[]string{owned(1, "hq", lineageA), none, owned(3, "hq", lineageA), owned(4, "branch", lineageA)}, lineageA, lineageB, "", "hq:B hq: hq:B branch:A", 2},
		"taken over in part":         {[]string{owned(1, "hq", lineageA), owned(2, "hq", lineageB)}, lineageA + " " + lineageB, lineageB, "", "hq:B hq:B", 1},
		"of two":                     {[]string{owned(1, "hq", lineageB), owned(2, "hq", lineageA)}, lineageA + " " + lineageB, lineageC, "", "hq:C hq:C", 2},
		"taken out":                  {[]string{owned(1, "hq", lineageA), none}, lineageA, "", "", "hq: hq:", 1},
		"another":                    {[]string{owned(1, "hq", lineageA)}, "", lineageB, lineageA, "hq:A", 0},
		"another than was said":      {[]string{owned(1, "hq", lineageA)}, lineageC, lineageB, lineageA, "hq:A", 0},
		"two, of which one was said": {[]string{owned(1, "hq", lineageA), owned(2, "hq", lineageC)}, lineageA, lineageB, lineageA + " " + lineageC, "hq:A hq:C", 0},
		"taken out by another":       {[]string{none}, lineageA, lineageB, "", "hq:", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, noPatch := range []bool{false, true} {
				s := (&service{noPatch: noPatch, etag: noPatch}).start(t, c.users...)
				k := s.console()
				err := k.Claim(t.Context(), c.lineage, c.was)
				claimed := console.AsClaimed(err)
				switch {
				case name == "taken out by another":
					if claimed == nil || claimed.Lineage != "" {
						t.Errorf("the claim: %v", err)
					}
				case c.refused != "" && (claimed == nil || claimed.Lineage != c.refused), c.refused == "" && err != nil:
					t.Errorf("the claim: %v", err)
				}
				if got := s.lineages(); got != c.want {
					t.Errorf("it is %q, not %q", got, c.want)
				}
				if n := len(s.asked("P")); n != c.writes {
					t.Errorf("%d writes, not %d: %q", n, c.writes, s.asked("P"))
				}
				if claimed == nil {
					expect(t, k, "ok", creating(account(99, "new"))...)
					if got, want := s.lineages(), strings.TrimSpace(c.want+" hq:"+map[string]string{lineageA: "A", lineageB: "B", lineageC: "C"}[c.lineage]); got != want {
						t.Errorf("with a new one it is %q, not %q", got, want)
					}
					s.is(t, c.lineage)
				}
			}
		})
	}
}

// TestClaimBroken: a claim that is broken off anywhere, or by whatever the service says,
// is gone on with, and neither loses a mark nor touches an account of another owner.
func TestClaimBroken(t *testing.T) {
	t.Parallel()
	users := []string{owned(1, "hq", lineageA), owned(2, "branch", lineageA), owned(3, "hq", lineageA), person("x"), owned(5, "hq", "")}
	const want = "hq:B branch:A hq:B - hq:"
	for name, broken := range map[string]func(s *service, w http.ResponseWriter, r *http.Request) (made bool){
		"unreachable": func(_ *service, w http.ResponseWriter, _ *http.Request) bool { panic(http.ErrAbortHandler) },
		"made and not said": func(s *service, w http.ResponseWriter, r *http.Request) bool {
			s.serve(nowhere{}, r)
			panic(http.ErrAbortHandler)
		},
		"made, and 500": func(s *service, w http.ResponseWriter, r *http.Request) bool {
			s.serve(nowhere{}, r)
			w.WriteHeader(500)
			return true
		},
		"later": func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
			return true
		},
		"forbidden":           func(_ *service, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); return true },
		"changed meanwhile":   func(_ *service, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(412); return true },
		"gone meanwhile":      func(_ *service, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(404); return true },
		"made without a word": func(_ *service, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(204); return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 1; at <= 2; at++ {
				n := 0
				s := &service{}
				s.on = func(s *service, w http.ResponseWriter, r *http.Request) bool {
					if r.Method != http.MethodPatch {
						return false
					}
					if n++; n != at {
						return false
					}
					return broken(s, w, r)
				}
				s.start(t, users...)
				c := s.console()
				err := c.Claim(t.Context(), lineageB, lineageA)
				if unclaimed := new(console.UnclaimedError); errors.As(err, &unclaimed) != (name == "forbidden") {
					t.Errorf("at %d: %v", at, err)
				}
				if err != nil {
					k := s.console()
					now, failed := k.Ledger(t.Context())
					if failed != nil || now != lineageA && now != lineageA+" "+lineageB {
						t.Errorf("at %d it is %q (%v)", at, now, failed)
					}
					if err := k.Claim(t.Context(), lineageB, now); err != nil {
						t.Errorf("at %d, again: %v", at, err)
					}
				}
				if got := s.lineages(); got != want {
					t.Errorf("at %d it is %q, not %q (%v)", at, got, want, err)
				}
			}
		})
	}
}

// TestClaimRace: an account that another state claims meanwhile ends a claim, and is left
// to it; one that is released or removed meanwhile does not.
func TestClaimRace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile string // what externalId of the second becomes
		claimed   string
		want      string
	}{
		"another state": {"hq:corp/" + guidText + "/" + lineageC, lineageC, "hq:B hq:C"},
		"another owner": {"branch:corp/" + guidText, "", "hq:B branch:"},
		"released":      {"", "", "hq:B -"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{on: when("PATCH", "/", func(s *service, _ http.ResponseWriter, _ *http.Request) bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.users[1]["externalId"] = c.meanwhile
				return false
			})}
			s.start(t, owned(1, "hq", lineageA), owned(2, "hq", lineageA))
			err := s.console().Claim(t.Context(), lineageB, lineageA)
			if claimed := console.AsClaimed(err); c.claimed == "" && err != nil || c.claimed != "" && (claimed == nil || claimed.Lineage != c.claimed) {
				t.Error(err)
			}
			if got := s.lineages(); got != c.want {
				t.Errorf("it is %q, not %q", got, c.want)
			}
		})
	}
}

// TestOfAnotherState: an account that came to another state after all were read is not
// changed, and one without a lineage gets none by a change of something else.
func TestOfAnotherState(t *testing.T) {
	t.Parallel()
	s := (&service{}).start(t, owned(1, "hq", lineageA), owned(2, "hq", lineageA), owned(3, "hq", ""))
	c := s.console()
	all := accounts(t, c)
	s.mu.Lock()
	s.users[1]["externalId"] = strings.Replace(s.users[1]["externalId"].(string), lineageA, lineageB, 1)
	s.mu.Unlock()
	var steps []apply.Step
	for i, l := range all {
		steps = append(steps, naming(l, "New"))
		steps[i].Group = i + 1
	}
	said, err := applied(t, c, steps...)
	if want := []string{"ok", string(apply.Refused), "ok"}; err != nil || !slices.Equal(said, want) {
		t.Errorf("answered %q (%v)", said, err)
	}
	if got := s.lineages(); got != "hq:A hq:B hq:" {
		t.Errorf("it is %q", got)
	}
}

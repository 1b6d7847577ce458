package filter

import (
	"bytes"
	"cmp"
	"fmt"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// number is a decimal integer of any size, as servers compare them.
type number struct {
	negative bool
	digits   []byte // without leading zeros; none of 0
}

// parseNumber reads a decimal integer, which may have leading zeros here.
func parseNumber(b []byte) (number, bool) {
	digits := bytes.TrimPrefix(b, []byte("-"))
	if len(digits) == 0 {
		return number{}, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return number{}, false
		}
	}
	significant := bytes.TrimLeft(digits, "0")
	return number{len(digits) < len(b) && len(significant) > 0, significant}, true
}

func (n number) compare(m number) int {
	switch {
	case n.negative && m.negative:
		n, m = m, n
	case n.negative:
		return -1
	case m.negative:
		return 1
	}
	return cmp.Or(cmp.Compare(len(n.digits), len(m.digits)), bytes.Compare(n.digits, m.digits))
}

func (n number) String() string {
	switch {
	case n.negative:
		return "-" + string(n.digits)
	case len(n.digits) == 0:
		return "0"
	}
	return string(n.digits)
}

// wholeNumber reads the number of an assertion, which is written as RFC 4517
// section 3.3.16 has it.
func wholeNumber(value string) (number, comparison) {
	n, ok := parseNumber([]byte(value))
	if !ok || n.String() != value {
		return n, comparison{impossible: fmt.Sprintf("compares a whole number with %q", value), remedy: "write a decimal number without leading zeros, such as 514"}
	}
	return n, comparison{}
}

// onNumbers compares whole numbers.
func onNumbers(value string, hold func(c int) bool) comparison {
	want, c := wholeNumber(value)
	c.test = func(v []byte) truth {
		n, ok := parseNumber(v)
		if !ok {
			return undefined
		}
		return is(hold(n.compare(want)))
	}
	return c
}

// onBits compares decimal integers of up to 64 bits with sign. A negative
// groupType of 32 bits has its sign extended by that, so that the bit 2^31 is
// found in it.
func onBits(value string, hold func(v, mask int64) bool) comparison {
	_, c := wholeNumber(value)
	mask, ok := integer([]byte(value))
	if !ok && c.impossible == "" {
		c.impossible, c.remedy = fmt.Sprintf("tests the bits of %q, which has more than 64", value), "write a decimal number of at most 64 bits"
	}
	c.test = func(v []byte) truth {
		n, ok := integer(v)
		if !ok {
			return undefined
		}
		return is(hold(n, mask))
	}
	return c
}

// integer reads a decimal integer of up to 64 bits.
func integer(b []byte) (int64, bool) {
	digits := bytes.TrimPrefix(b, []byte("-"))
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if len(digits) < len(b) {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n < 1<<63
}

// onBooleans compares TRUE and FALSE.
func onBooleans(value string) comparison {
	if value != "TRUE" && value != "FALSE" {
		return comparison{impossible: fmt.Sprintf("compares TRUE or FALSE with %q", value), remedy: "write TRUE or FALSE, in capital letters"}
	}
	return comparison{test: textEqual(value, lower)}
}

// onUUIDs compares UUIDs, which are in order as their text.
func onUUIDs(value string, hold func(c int) bool) comparison {
	if _, err := identity.ParseGUID(value); len(value) != 36 || err != nil {
		return comparison{impossible: fmt.Sprintf("compares a UUID with %q", value), remedy: "write its 32 hex digits with four hyphens, as in 8c4ac332-975f-4717-ad7b-ba4a4e968fff"}
	}
	return comparison{test: ordered(value, hold)}
}

// instant is a point in time.
type instant struct{ seconds, nanoseconds int64 }

func (t instant) compare(u instant) int {
	return cmp.Or(cmp.Compare(t.seconds, u.seconds), cmp.Compare(t.nanoseconds, u.nanoseconds))
}

// onTimes compares points in time (RFC 4517 sections 4.2.16 and 4.2.17).
func onTimes(value string, hold func(c int) bool) comparison {
	want, ok := parseTime([]byte(value))
	if !ok {
		return comparison{impossible: fmt.Sprintf("compares a time with %q", value), remedy: "write year to second and the zone without separators, as in 20260301120000Z"}
	}
	return comparison{test: func(v []byte) truth {
		t, ok := parseTime(v)
		if !ok {
			return undefined
		}
		return is(hold(t.compare(want)))
	}}
}

// parseTime reads a GeneralizedTime (RFC 4517 section 3.3.13): year to hour, then
// minute and second or not, a fraction of the last of these or not, and the zone.
// Digits behind a billionth do not count.
func parseTime(b []byte) (instant, bool) {
	// two reads two digits and takes them away.
	two := func(least, most int) (int, bool) {
		if len(b) < 2 || b[0]-'0' > 9 || b[1]-'0' > 9 {
			return 0, false
		}
		n := int(b[0]-'0')*10 + int(b[1]-'0')
		b = b[2:]
		return n, n >= least && n <= most
	}
	digit := func() bool { return len(b) > 0 && b[0]-'0' <= 9 }

	century, ok := two(0, 99)
	year, ok1 := two(0, 99)
	month, ok2 := two(1, 12)
	day, ok3 := two(1, 31)
	hour, ok4 := two(0, 23)
	if !ok || !ok1 || !ok2 || !ok3 || !ok4 {
		return instant{}, false
	}
	minute, second, unit := 0, 0, int64(3600)
	if digit() {
		if minute, ok = two(0, 59); !ok {
			return instant{}, false
		}
		unit = 60
		if digit() {
			if second, ok = two(0, 60); !ok {
				return instant{}, false
			}
			unit = 1
		}
	}
	date := time.Date(century*100+year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if time.Date(century*100+year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() != day {
		return instant{}, false
	}
	t := instant{seconds: date.Unix()}
	if len(b) > 0 && (b[0] == '.' || b[0] == ',') {
		b = b[1:]
		if !digit() {
			return instant{}, false
		}
		billionths, weight := int64(0), int64(1e9)
		for ; digit(); b = b[1:] {
			weight /= 10
			billionths += int64(b[0]-'0') * weight
		}
		t.seconds += billionths * unit / 1e9
		t.nanoseconds = billionths * unit % 1e9
	}
	if len(b) == 0 {
		return instant{}, false
	}
	zone := b[0]
	b = b[1:]
	switch {
	case zone == 'Z':
		return t, len(b) == 0
	case zone != '+' && zone != '-':
		return instant{}, false
	}
	hours, ok := two(0, 23)
	minutes := 0
	if ok && len(b) > 0 {
		minutes, ok = two(0, 59)
	}
	offset := int64(hours*3600 + minutes*60)
	if zone == '+' {
		offset = -offset
	}
	t.seconds += offset
	return t, ok && len(b) == 0
}

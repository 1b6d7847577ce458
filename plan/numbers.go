package plan

import (
	"strconv"
	"strings"
)

// Thousands writes an integer with separators between thousands.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	var b strings.Builder
	for i, digit := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// Percent writes a part of a whole, rounded to a tenth: "7.5%", "100%", "less than
// 0.1%". Only the whole is 100%.
func Percent(n, of int) string {
	switch {
	case of == 0:
		return "0%"
	case n > 0 && n*1000 < of:
		return "less than 0.1%"
	case n*100%of == 0:
		return strconv.Itoa(n*100/of) + "%"
	}
	tenths := (n*2000 + of) / (2 * of)
	if n < of {
		tenths = min(tenths, 999)
	}
	return strconv.Itoa(tenths/10) + strings.TrimSuffix("."+strconv.Itoa(tenths%10), ".0") + "%"
}

func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Thousands(n) + " " + many
}

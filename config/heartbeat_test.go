package config

import "testing"

// TestHTTPURL: what a ping cannot be sent to is found in the configuration.
func TestHTTPURL(t *testing.T) {
	t.Parallel()
	for url, right := range map[string]bool{
		"https://hc-ping.com/0123-4567": true, "http://127.0.0.1:8080/x": true, "http://host?t=X": true, "https://user:word@host/x": true, "http://[::1]:8000/x": true,
		"https://bücher.example/a%20b?c=100%": true, "https://host": true, "https://host/": true,
		"host/x": false, "ftp://host/x": false, "https://": false, "https:///x": false, "http://h/%zz": false, "http://[::1/x": false, "http://h/a b": false, "http://h/\x01": false,
		"http://h:port/x": false, "http://h/x#y": false, "http://h%/x": false, "https://?t=X": false, "": false,
	} {
		if got := httpURL.MatchString(url); got != right {
			t.Errorf("%q: %t", url, got)
		}
	}
}

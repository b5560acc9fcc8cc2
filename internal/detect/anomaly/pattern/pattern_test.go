package pattern

import (
	"testing"
	"time"
)

func TestRequestsOfTheWindow(t *testing.T) {
	c := Default()
	var w Window
	var n float64
	for i := range 1000 {
		n = w.Request(int64(i)*100, &c) // ten a second
	}
	if n < 580 || n > 620 {
		t.Errorf("%g requests in a minute of ten a second", n)
	}
	if n = w.Request(10*60*1000, &c); n != 1 {
		t.Errorf("%g after ten minutes of silence, want 1", n)
	}
	if n = w.Request(-5*60*1000, &c); n != 1 {
		t.Errorf("%g after the clock went back, want 1", n)
	}
}

func TestDifferentTools(t *testing.T) {
	c := Default()
	var w Window
	var n float64
	for range 50 { // the same five
		for i := range uint64(5) {
			n = w.Tool(1000, i*0x9e3779b97f4a7c15>>3, &c)
		}
	}
	if n < 4 || n > 6 {
		t.Errorf("about %g tools, want 5", n)
	}
	for i := range uint64(40) {
		n = w.Tool(2000, (i+7)*0x9e3779b97f4a7c15>>5, &c)
	}
	if n < 30 || n > 60 {
		t.Errorf("about %g tools, want 45", n)
	}
	if n = w.Tool(2000+c.ScanWindow.Milliseconds(), 1, &c); n > 2 {
		t.Errorf("about %g tools in a new window", n)
	}
}

func TestMissesFade(t *testing.T) {
	c := Default()
	var w Window
	for range 30 {
		w.Miss(0, &c)
	}
	if n := w.Miss(c.ScanWindow.Milliseconds()*3/2, &c); n < 14 || n > 18 {
		t.Errorf("%g misses, want half of those of the window before, and one", n)
	}
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]Config{
		"no windows":     {},
		"long window":    {RapidWindow: 2 * time.Hour, ScanWindow: time.Minute},
		"negative":       {RapidWindow: time.Minute, ScanWindow: time.Minute, RapidCount: -1},
		"too many tools": {RapidWindow: time.Minute, ScanWindow: time.Minute, ScanTools: 101},
		"too many":       {RapidWindow: time.Minute, ScanWindow: time.Minute, ScanMisses: 1 << 20},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

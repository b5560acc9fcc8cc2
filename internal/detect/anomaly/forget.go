package anomaly

import (
	"net/netip"
	"slices"
)

// Forget takes out all that is known of a caller: the baselines of the
// principal, key or address of that name, and the name wherever an incident
// holds it. It reports whether there was something.
func (d *Detector) Forget(who string) bool {
	if who == "" {
		return false
	}
	address := who
	if a, err := netip.ParseAddr(who); err == nil {
		address = addressText(ofAddress(a))
	}
	var gone []*subject
	for _, x := range [...]*subject{d.lookup(Principal, "", who), d.lookup(Key, "", who), d.lookup(Address, "", address)} {
		if x != nil {
			gone = append(gone, x)
		}
	}
	found := len(gone) > 0
	for _, x := range gone {
		d.tables()[x.kind].Remove(x)
		x.active = false
		d.book.forget(x)
	}
	d.all(func(x *subject) {
		if slices.Contains(gone, x.mate) {
			x.mate = nil
		}
	})
	d.active = slices.DeleteFunc(d.active, func(x *subject) bool { return slices.Contains(gone, x) })
	for _, in := range d.book.list {
		in.members = slices.DeleteFunc(in.members, func(x *subject) bool { return slices.Contains(gone, x) })
		found = Redact(&in.latest, who) || found
	}
	return found
}

// Redact takes the name of a caller out of an anomaly, and reports whether it
// was there.
func Redact(a *Anomaly, who string) (found bool) {
	names := []string{who}
	if addr, err := netip.ParseAddr(who); err == nil {
		names = append(names, addressText(ofAddress(addr)))
	}
	fields := []*string{&a.Principal, &a.Key, &a.Address}
	if a.Kind != Tool.String() && a.Kind != Route.String() {
		fields = append(fields, &a.Subject)
	}
	for _, f := range fields {
		if *f != "" && slices.Contains(names, *f) {
			*f, found = "", true
		}
	}
	before := len(a.Also)
	a.Also = slices.DeleteFunc(slices.Clone(a.Also), func(also string) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			return also == Principal.String()+" "+n || also == Key.String()+" "+n || also == Address.String()+" "+n
		})
	})
	return found || len(a.Also) != before
}

package evidence

// Route is what was observed of one route.
type Route struct {
	Name      string
	Anonymous bool // anyone may call it
	Limited   bool // how often its callers call
	Read      bool // by content rules
	Pinned    bool // tools that change are held
	Plain     bool // its server is on another machine and spoken to by plain HTTP
	Consent   bool
	PHI       bool
	Fields    bool // some roles get some fields only
}

// Add adds a route to what was observed.
func (f *Facts) Add(r Route) {
	for _, x := range []struct {
		is   bool
		list *[]string
	}{
		{r.Anonymous, &f.Anonymous},
		{!r.Limited, &f.Unlimited},
		{!r.Read, &f.Unread},
		{!r.Pinned, &f.Unpinned},
		{r.Plain, &f.PlainUpstreams},
		{r.Consent, &f.ConsentRoutes},
		{r.PHI, &f.PHIRoutes},
		{r.Fields, &f.FieldRoutes},
	} {
		if x.is {
			*x.list = append(*x.list, r.Name)
		}
	}
}

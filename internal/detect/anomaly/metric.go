package anomaly

// Kind is a kind of subject.
type Kind uint8

// Kinds of subjects.
const (
	Principal Kind = iota
	Key
	Tool
	Route
	Address
	Peers // the others of a kind on a route, together
	kinds
)

// String is the name that events carry.
func (k Kind) String() string {
	return [...]string{"principal", "key", "tool", "route", "address", "peers"}[min(k, Peers)]
}

// Metric is what is measured of a subject.
type Metric uint8

// Metrics. Those of a day watch for what is too slow to show in an hour.
const (
	CallRate Metric = iota
	ErrorRate
	DenialRate
	Latency
	BytesOut
	NewTool
	NewCountry
	OffHours
	DayCalls
	DayBytes
	metrics
	// Patterns have no baseline.
	RapidRequests
	Scanning
)

// String is the name that events and the label of the metric carry.
func (m Metric) String() string {
	switch m {
	case RapidRequests:
		return "rapid_requests"
	case Scanning:
		return "scanning"
	case metrics:
		return ""
	}
	return [...]string{"call_rate", "error_rate", "denial_rate", "latency", "bytes_out", "new_tool", "new_country", "off_hours", "call_rate", "bytes_out"}[min(m, DayBytes)]
}

// daily reports whether a metric is one of a day.
func (m Metric) daily() bool { return m == DayCalls || m == DayBytes }

// watched says which metrics a kind of subject has. Tools and routes are used
// by many: what is new for one of them is told of that one.
var watched = [kinds][]Metric{
	Principal: {CallRate, ErrorRate, DenialRate, Latency, BytesOut, NewTool, OffHours, DayCalls, DayBytes},
	Key:       {CallRate, ErrorRate, DenialRate, Latency, BytesOut, NewTool, OffHours, DayCalls, DayBytes},
	Tool:      {CallRate, ErrorRate, DenialRate, Latency, BytesOut, DayBytes},
	Route:     {CallRate, ErrorRate, DenialRate, Latency, BytesOut, DayBytes},
	Address:   {CallRate, ErrorRate, DenialRate, BytesOut},
}

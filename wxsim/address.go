package wxsim

import "net/http"

// The two calls that need no permission and change nothing: the usual proof that a token works.
func addressRoutes() []route {
	return []route{
		{path: "/cgi-bin/get_api_domain_ip", method: http.MethodGet, keyed: true, serve: ipList("203.0.113.1", "203.0.113.2", "203.0.113.3")},
		{path: "/cgi-bin/getcallbackip", method: http.MethodGet, keyed: true, serve: ipList("198.51.100.10", "198.51.100.11", "198.51.100.64/26")},
	}
}

func ipList(ips ...string) func(*Sim, *call) answer {
	return func(*Sim, *call) answer { return answer{fields: []field{{"ip_list", ips}}} }
}

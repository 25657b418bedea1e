/// LogEvents like Okta's, of 2 to 4 KB.
enum BenchmarkEvents {
    static func make(_ count: Int) -> [[UInt8]] { (0..<count).map { Array(text($0).utf8) } }

    private static func text(_ index: Int) -> String {
        let user = "user\(index)@dept\(index * 37 % 10_000).example.com"
        let agent =
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36"
        let place =
            #"{"city":"Köln","state":"NW","country":"Germany","postalCode":"50667","geolocation":{"lat":50.9,"lon":6.9}}"#
        let changed = (0..<12).map { "\"attribute\($0)\":\"value \(index) of a longer profile attribute\"" }
        return """
            {"uuid":"3a\(index)f-679e-11ed-09d3-a84398d06680","published":"2026-02-17T02:18:22.830Z",
            "eventType":"user.lifecycle.create","version":"0","displayMessage":"Create Okta user","severity":"INFO",
            "client":{"userAgent":{"rawUserAgent":"\(agent)","os":"Mac OS X","browser":"CHROME"},"zone":"null",
            "device":"Computer","id":null,"ipAddress":"10.1.\(index % 250).7","geographicalContext":\(place)},
            "device":null,"actor":{"id":"00uA\(index)","type":"User","alternateId":"admin\(index)@example.com",
            "displayName":"Ada Admin","detailEntry":null},"outcome":{"result":"SUCCESS","reason":null},
            "target":[{"id":"00uB\(index)","type":"User","alternateId":"\(user)","displayName":"User \(index)",
            "detailEntry":null},{"id":"00gC\(index)","type":"UserGroup","alternateId":"unknown",
            "displayName":"Group \(index % 50)","detailEntry":null}],
            "transaction":{"type":"WEB","id":"Yf\(index)","detail":{}},
            "debugContext":{"debugData":{"requestId":"ab\(index)","requestUri":"/api/v1/users","threatSuspected":"false",
            "url":"/api/v1/users?activate=true",\(changed.joined(separator: ","))}},"legacyEventType":"core.user.create",
            "authenticationContext":{"authenticationProvider":null,"authenticationStep":0,"issuer":null,
            "credentialProvider":null,"credentialType":null,"interface":null,"externalSessionId":"102\(index)"},
            "securityContext":{"asNumber":\(3000 + index),"asOrg":"example","isp":"example","domain":"example.com",
            "isProxy":false},"request":{"ipChain":[{"ip":"10.1.2.3","version":"V4","source":null,
            "geographicalContext":\(place)}]}}
            """
    }
}

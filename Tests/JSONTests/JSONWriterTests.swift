import JSON
import Testing

@Suite struct JSONWriterTests {
    @Test func writesNestedValuesWithCommas() {
        var writer = JSONWriter()
        writer.object { object in
            object.member("a", 1)
            object.member("b", nil as String?)
            object.name("c")
            object.array { array in
                array.string("x")
                array.object { _ in }
                array.raw("1.50".utf8)
            }
            object.member("d", true)
        }
        #expect(writer.text == #"{"a":1,"b":null,"c":["x",{},1.50],"d":true}"#)
    }

    @Test func escapesWhatJSONCannotHold() throws {
        let text = "\"\\\n\r\t\u{0}\u{1F}é😀/"
        var writer = JSONWriter()
        writer.string(text)
        #expect(writer.text == #""\"\\\n\r\t\u0000\u001fé😀/""#)
        #expect(try JSONDocument(writer.bytes).root.string == text)
    }

    @Test func pointersEscapeNames() {
        #expect(JSONPointer.root.appending("a/b~c").appending(2).description == "/a~1b~0c/2")
    }
}

#include "s3/xml.h"

#include <expat.h>

#include <algorithm>
#include <memory>
#include <type_traits>

namespace holdfast {
namespace {

constexpr std::size_t max_depth = 16;

// Builds the tree; the path from the root to the open element is a chain of last children.
struct Builder {
    XML_Parser parser = nullptr;
    XmlElement document;
    std::vector<XmlElement*> open{&document};
    bool is_refused = false;

    void refuse() {
        is_refused = true;
        XML_StopParser(parser, XML_FALSE);
    }
    static void on_start(void* self, const char* name, const char**) {
        auto& builder = *static_cast<Builder*>(self);
        if (builder.open.size() > max_depth) return builder.refuse();
        const std::string_view full(name);
        auto& children = builder.open.back()->children;
        children.push_back({std::string(full.substr(full.find(':') + 1)), {}, {}});
        builder.open.push_back(&children.back());
    }
    static void on_end(void* self, const char*) { static_cast<Builder*>(self)->open.pop_back(); }
    static void on_text(void* self, const char* text, int size) {
        static_cast<Builder*>(self)->open.back()->text.append(text, static_cast<std::size_t>(size));
    }
    static void on_entity(void* self, const char*, int, const char*, int, const char*, const char*, const char*,
                          const char*) {
        static_cast<Builder*>(self)->refuse();
    }
};

}  // namespace

const XmlElement* XmlElement::child(std::string_view child_name) const {
    const auto found = std::find_if(children.begin(), children.end(),
                                    [child_name](const XmlElement& one) { return one.name == child_name; });
    return found == children.end() ? nullptr : &*found;
}

std::string XmlElement::child_text(std::string_view child_name) const {
    const XmlElement* const found = child(child_name);
    return found == nullptr ? std::string() : found->text;
}

Result<XmlElement> parse_xml(ByteSpan data) {
    const std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser(
        XML_ParserCreate("UTF-8"), &XML_ParserFree);
    if (!parser) return Error(ErrorCode::internal, "no memory for an XML parser");
    Builder builder;
    builder.parser = parser.get();
    XML_SetUserData(parser.get(), &builder);
    XML_SetElementHandler(parser.get(), &Builder::on_start, &Builder::on_end);
    XML_SetCharacterDataHandler(parser.get(), &Builder::on_text);
    XML_SetEntityDeclHandler(parser.get(), &Builder::on_entity);
    if (data.size() > (1u << 30)) return Error(ErrorCode::corrupt, "an XML document of more than a GiB");
    const std::string_view text = as_text(data);
    if (XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE) != XML_STATUS_OK ||
        builder.is_refused || builder.document.children.empty())
        return Error(ErrorCode::corrupt, "an answer is not the XML that it should be");
    return std::move(builder.document.children.front());
}

std::string xml_escape(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        switch (c) {
            case '&': escaped += "&amp;"; break;
            case '<': escaped += "&lt;"; break;
            case '>': escaped += "&gt;"; break;
            case '"': escaped += "&quot;"; break;
            case '\r': escaped += "&#13;"; break;
            default: escaped += c;
        }
    }
    return escaped;
}

}  // namespace holdfast

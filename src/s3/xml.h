// XML as S3 services answer it: elements, text, no attributes. Parsed by expat.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

struct XmlElement {
    std::string name;  // without a namespace
    std::string text;  // its own, pieces joined
    std::vector<XmlElement> children;

    // The first child of this name; null when there is none.
    const XmlElement* child(std::string_view child_name) const;
    // Its text; empty when there is none.
    std::string child_text(std::string_view child_name) const;
};

// The root element. Deeper than 16 levels, and declarations of entities, are refused. Errors: corrupt.
Result<XmlElement> parse_xml(ByteSpan data);
// `text` with what XML reserves replaced.
std::string xml_escape(std::string_view text);

}  // namespace holdfast

// A stream as a source: standard input, or what a command prints.
#pragma once

#include "source/source.h"

namespace holdfast {

// The restore point's root is one file. A command that fails makes no restore point: its failure is
// an error of the read that meets the stream's end.
class StreamSource final : public Source {
  public:
    // `command` with its arguments; empty: standard input.
    StreamSource(std::string name, std::vector<std::string> command)
        : name_(std::move(name)), command_(std::move(command)) {}

    Result<std::unique_ptr<SourceStream>> walk() override;
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override;
    Status complete(const SourceEvent& event, Metadata& metadata) override;

  private:
    const std::string name_;
    const std::vector<std::string> command_;
};

}  // namespace holdfast

// The command-line program `descent`: runs a command, and turns errors into exit codes.
//
// Exit codes: 0 ok, 2 wrong usage, 3 bad input, 4 training failed; 130 when interrupted.
#include "commands/commands.h"

#include <descent/core/error.h>
#include <iostream>
#include <new>

int main(int argc, char** argv) {
  int code = app::kUsage;
  try {
    code = app::read_command(argc, argv)();
    if (!std::cout.flush())
      descent::fail<descent::FileError>("descent",
                                        "could not write to standard output. Hint: is "
                                        "there space?");
    return code;
  } catch (const descent::FileError& e) {
    std::cerr << e.what() << "\n";
    code = app::kBadInput;
  } catch (const descent::NonFiniteError& e) {
    std::cerr << e.what() << "\n";
    code = app::kTrainingFailed;
  } catch (const descent::Error& e) {
    std::cerr << e.what() << "\n";
  } catch (const std::bad_alloc&) {
    std::cerr << "descent: the memory is used up. Hint: use smaller layers, batches or data\n";
    code = app::kBadInput;
  } catch (const std::exception& e) {
    std::cerr << "descent: " << e.what() << "\n";
    code = app::kBadInput;
  }
  return code;
}

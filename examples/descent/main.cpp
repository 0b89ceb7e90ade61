// The command-line program `descent`: runs a command, and turns errors into exit codes.
//
// Exit codes: 0 ok, 2 wrong usage, 3 bad input, 4 training failed; 130 when interrupted.
#include "commands/commands.h"

#include <descent/core/error.h>
#include <fcntl.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <new>

namespace {

/// Opens /dev/null for each standard stream that the caller has closed, so that writing to it
/// fails. Otherwise the next file that is opened would take the place of the stream, and the table
/// and the progress would be written into this file.
void replace_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0)
      ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/// Ends the program at once where memory is lacking: exit() would wait for OpenBLAS's threads, and
/// these wait for memory.
[[noreturn]] void leave(int code) {
  std::cout.flush();
  std::_Exit(code);
}

}  // namespace

int main(int argc, char** argv) {
  replace_closed_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files becomes an error with a path
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
  } catch (const descent::MemoryError& e) {
    std::cerr << e.what() << "\n";
    leave(app::kBadInput);
  } catch (const descent::NonFiniteError& e) {
    std::cerr << e.what() << "\n";
    code = app::kTrainingFailed;
  } catch (const descent::Error& e) {
    std::cerr << e.what() << "\n";
  } catch (const std::bad_alloc&) {
    std::cerr << "descent: the memory is used up. Hint: use smaller layers, batches or data\n";
    leave(app::kBadInput);
  } catch (const std::exception& e) {
    std::cerr << "descent: " << e.what() << "\n";
    code = app::kBadInput;
  }
  return code;
}

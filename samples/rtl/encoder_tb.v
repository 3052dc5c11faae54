// Feeds ebpc_encoder the words of ID.data.hex, and writes what it puts out to ID.znz.out.hex and
// ID.bpc.out.hex, for `fmc vectors --check`. Plain Verilog-2001.
//
//   +vectors=FOLDER/ID   the vectors; outputs go beside them, or to +outputs=FOLDER/ID
//   +threshold=T         each port's gate is open in T of 256 cycles, at random  [256: always]

`timescale 1ns / 1ps

module encoder_tb;
  parameter DATA_W = 8;          // as the RTL was built
  parameter MOST_WORDS = 65536;  // of all transmissions together
  parameter QUIET = 1000;        // so many cycles without a handshake end the run

  // A word of the file is {last, word}; one bit more, so that words behind the end can be told.
  reg [DATA_W+1:0] words[0:MOST_WORDS];
  reg [8*256-1:0] vectors, outputs, name;
  integer at, znz_file, bpc_file, quiet, threshold, i;

  reg clk, rst_n, offered, in_open;
  reg [31:0] in_state, znz_state, bpc_state;

  reg [DATA_W-1:0] data;
  reg last, vld, znz_rdy, bpc_rdy;
  wire rdy, idle, znz_last, znz_vld, bpc_last, bpc_vld;
  wire [DATA_W-1:0] znz_data, bpc_data;

  ebpc_encoder dut (
      .clk_i(clk), .rst_ni(rst_n),
      .data_i(data), .last_i(last), .vld_i(vld), .rdy_o(rdy), .idle_o(idle),
      .znz_data_o(znz_data), .znz_last_o(znz_last), .znz_vld_o(znz_vld), .znz_rdy_i(znz_rdy),
      .bpc_data_o(bpc_data), .bpc_last_o(bpc_last), .bpc_vld_o(bpc_vld), .bpc_rdy_i(bpc_rdy)
  );

  function [31:0] next(input [31:0] state);
    next = state * 32'd1664525 + 32'd1013904223;
  endfunction

  initial begin
    if (!$value$plusargs("vectors=%s", vectors)) begin
      $display("give +vectors=FOLDER/ID");
      $finish;
    end
    if (!$value$plusargs("outputs=%s", outputs)) outputs = vectors;
    if (!$value$plusargs("threshold=%d", threshold)) threshold = 256;
    for (i = 0; i <= MOST_WORDS; i = i + 1) words[i] = {(DATA_W + 2) {1'b1}};
    $sformat(name, "%0s.data.hex", vectors);
    $readmemh(name, words);
    $sformat(name, "%0s.znz.out.hex", outputs);
    znz_file = $fopen(name, "w");
    $sformat(name, "%0s.bpc.out.hex", outputs);
    bpc_file = $fopen(name, "w");

    {clk, rst_n, offered, data, last, vld, znz_rdy, bpc_rdy} = 0;
    in_state = 1;
    znz_state = 2;
    bpc_state = 3;
    at = 0;
    quiet = 0;
    for (i = 0; i < 8; i = i + 1) #5 clk = ~clk;
    rst_n = 1;
    while (quiet < QUIET) begin
      // Inputs change while the clock is low.
      in_state = next(in_state);
      znz_state = next(znz_state);
      bpc_state = next(bpc_state);
      in_open = in_state[31:24] < threshold;
      znz_rdy = znz_state[31:24] < threshold;
      bpc_rdy = bpc_state[31:24] < threshold;
      vld = !words[at][DATA_W+1] && (offered || in_open);
      {last, data} = vld ? words[at][DATA_W:0] : {(DATA_W + 1) {1'b0}};
      // Outputs are looked at just before the rising edge.
      #4;
      quiet = quiet + 1;
      offered = vld && rdy !== 1'b1;
      if (vld && rdy === 1'b1) begin
        at = at + 1;
        quiet = 0;
      end
      if (znz_vld === 1'b1 && znz_rdy) begin
        $fdisplay(znz_file, "%h", {znz_last, znz_data});
        quiet = 0;
      end
      if (bpc_vld === 1'b1 && bpc_rdy) begin
        $fdisplay(bpc_file, "%h", {bpc_last, bpc_data});
        quiet = 0;
      end
      #1 clk = 1;
      #5 clk = 0;
    end
    if (!words[at][DATA_W+1]) $display("the encoder takes no more: %0d words accepted", at);
    $fclose(znz_file);
    $fclose(bpc_file);
    $finish;
  end
endmodule
